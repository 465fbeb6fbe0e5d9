"""Plain loops over rows and states."""

import math

import torch
from torch import Tensor


def _log_sum(values: list[Tensor]) -> Tensor:
    total = values[0]
    for value in values[1:]:
        total = torch.logaddexp(total, value)
    return total


def enumerate_rows(log_prior: Tensor, log_likelihood: Tensor) -> tuple[Tensor, Tensor]:
    evidence, posterior = log_prior.new_zeros(()), torch.zeros_like(log_likelihood)
    for n in range(log_likelihood.shape[0]):
        terms = [log_prior[s] + log_likelihood[n, s] for s in range(len(log_prior))]
        total = _log_sum(terms)
        evidence = evidence + total
        for s, term in enumerate(terms):
            posterior[n, s] = math.exp(float(term - total))
    return evidence, posterior


def enumerate_shared(
    log_global: Tensor, log_local: Tensor, log_likelihood: Tensor
) -> tuple[Tensor, Tensor]:
    joints = []
    for g in range(len(log_global)):
        joint = log_global[g]
        for n in range(log_likelihood.shape[1]):
            joint = joint + _log_sum(list(log_local[g] + log_likelihood[g, n]))
        joints.append(joint)
    total = _log_sum(joints)
    return total, torch.stack([torch.exp(joint - total) for joint in joints])


def enumerated_elbo(logits: Tensor, log_joint: Tensor) -> Tensor:
    total = logits.new_zeros(())
    for n in range(logits.shape[0]):
        normaliser = _log_sum(list(logits[n]))
        for s in range(logits.shape[1]):
            log_q = logits[n, s] - normaliser
            total = total + log_q.exp() * (log_joint[n, s] - log_q)
    return total


def gumbel_max(logits: Tensor, uniform: Tensor) -> Tensor:
    draw = torch.zeros_like(logits)
    for n in range(len(logits)):
        values = [
            a - math.log(-math.log(u))
            for a, u in zip(logits[n].tolist(), uniform[n].tolist(), strict=True)
        ]
        draw[n, values.index(max(values))] = 1
    return draw


def gumbel_softmax(logits: Tensor, gumbel: Tensor, temperature: float) -> Tensor:
    rows = []
    for a, g in zip(logits, gumbel, strict=True):
        w = (a + g - (a + g).max()) / temperature
        rows.append(w.exp() / w.exp().sum())
    return torch.stack(rows)


def straight_through(y: Tensor) -> Tensor:
    rows = []
    for row in y:
        hard = torch.zeros_like(row)
        hard[int(row.argmax())] = 1
        rows.append(hard + row - row.detach())
    return torch.stack(rows)


def pathwise_gradient(logit: Tensor, uniform: Tensor, temperature: float, target: float) -> Tensor:
    out = []
    for u in uniform.tolist():
        y = 1 / (1 + math.exp(-(float(logit) + math.log(u / (1 - u))) / temperature))
        out.append(2 * (y - target) * y * (1 - y) / temperature)
    return torch.tensor(out, dtype=uniform.dtype)
