"""Normalisation by hand: the largest entry is taken out before exp."""

import torch
from torch import Tensor


def _log_sum(values: Tensor, dim: int) -> Tensor:
    top = values.amax(dim, keepdim=True)
    return ((values - top).exp().sum(dim, keepdim=True).log() + top).squeeze(dim)


def enumerate_rows(log_prior: Tensor, log_likelihood: Tensor) -> tuple[Tensor, Tensor]:
    prior = log_prior.exp()
    top = log_likelihood.max(1, keepdim=True).values
    likelihood = (log_likelihood - top).exp()
    rows = likelihood @ prior
    return (rows.log() + top[:, 0]).sum(), likelihood * prior / rows[:, None]


def enumerate_shared(
    log_global: Tensor, log_local: Tensor, log_likelihood: Tensor
) -> tuple[Tensor, Tensor]:
    joint = log_global.clone()
    for n in range(log_likelihood.shape[1]):
        # Filtering: the rows come one after the other.
        joint += _log_sum(log_local + log_likelihood[:, n], 1)
    total = _log_sum(joint, 0)
    return total, (joint - total).exp()


def enumerated_elbo(logits: Tensor, log_joint: Tensor) -> Tensor:
    log_q = logits - _log_sum(logits, 1).unsqueeze(1)
    q = log_q.exp()
    return torch.tensordot(q, log_joint, 2) - torch.tensordot(q, log_q, 2)


def gumbel_max(logits: Tensor, uniform: Tensor) -> Tensor:
    # Exponential clocks: the first one to ring.
    times = -torch.log(uniform) * torch.exp(-logits)
    return (times <= times.min(1, keepdim=True).values).to(logits.dtype)


def gumbel_softmax(logits: Tensor, gumbel: Tensor, temperature: float) -> Tensor:
    w = logits + gumbel
    powers = (w - w.max(-1, keepdim=True).values).exp() ** (1 / temperature)
    return powers / powers.sum(-1, keepdim=True)


def straight_through(y: Tensor) -> Tensor:
    with torch.no_grad():
        rest = (y == y.amax(1, keepdim=True)).to(y.dtype) - y
    return y + rest


def pathwise_gradient(logit: Tensor, uniform: Tensor, temperature: float, target: float) -> Tensor:
    y = 0.5 + 0.5 * torch.tanh((logit + (uniform / (1 - uniform)).log()) / (2 * temperature))
    inner = (y - y**2) / temperature
    return (2 * y - 2 * target) * inner
