"""float64 inside, with the rows in reverse order."""

import torch
from torch import Tensor


def enumerate_rows(log_prior: Tensor, log_likelihood: Tensor) -> tuple[Tensor, Tensor]:
    joint = (log_prior.double() + log_likelihood.double()).flip(0)
    rows = torch.logcumsumexp(joint, 1)[:, -1]
    posterior = (joint - rows[:, None]).exp().flip(0)
    return rows.sum().to(log_prior.dtype), posterior.to(log_prior.dtype)


def enumerate_shared(
    log_global: Tensor, log_local: Tensor, log_likelihood: Tensor
) -> tuple[Tensor, Tensor]:
    # One table over (g, local state, row).
    table = log_likelihood.double().permute(0, 2, 1) + log_local.double().unsqueeze(-1)
    joint = table.logsumexp(1).sum(-1) + log_global.double()
    weights = (joint - joint.max()).exp()
    evidence = weights.sum().log() + joint.max()
    return evidence.to(log_global.dtype), (weights / weights.sum()).to(log_global.dtype)


def enumerated_elbo(logits: Tensor, log_joint: Tensor) -> Tensor:
    a, b = logits.double().flip(0), log_joint.double().flip(0)
    q = torch.softmax(a, 1)
    # Log evidence minus KL(q || posterior).
    gap = (q * (torch.log_softmax(a, 1) - torch.log_softmax(b, 1))).sum()
    return (torch.logsumexp(b, 1).sum() - gap).to(logits.dtype)


def gumbel_max(logits: Tensor, uniform: Tensor) -> Tensor:
    w = logits.double() - torch.log(torch.log(1 / uniform.double()))
    best = w.flip(0).topk(1, dim=1).indices.flip(0)
    states = torch.arange(logits.shape[1]).expand_as(logits)
    return (states == best).to(logits.dtype)


def gumbel_softmax(logits: Tensor, gumbel: Tensor, temperature: float) -> Tensor:
    inverse = 1 / temperature
    return torch.softmax(logits.double() * inverse + gumbel.double() * inverse, 1).to(logits.dtype)


def straight_through(y: Tensor) -> Tensor:
    best = y.detach().topk(1, dim=1).indices
    hard = torch.zeros_like(y).scatter(1, best, torch.ones_like(y))
    return hard.detach() + y - y.data


def pathwise_gradient(logit: Tensor, uniform: Tensor, temperature: float, target: float) -> Tensor:
    # sigmoid((a + logit(u)) / t) as a ratio of powers.
    a, u = logit.double(), uniform.double()
    odds = (a.exp() * u / (1 - u)) ** (1 / temperature)
    slope = odds / (temperature * (1 + odds) ** 2)
    return (2 * (odds / (1 + odds) - target) * slope).to(logit.dtype)
