"""NumPy and SciPy inside where no gradient is needed."""

import numpy as np
import torch
from scipy import special
from torch import Tensor


def enumerate_rows(log_prior: Tensor, log_likelihood: Tensor) -> tuple[Tensor, Tensor]:
    joint = log_prior.numpy()[None] + log_likelihood.numpy()
    evidence = torch.tensor(special.logsumexp(joint, axis=1).sum(), dtype=log_prior.dtype)
    return evidence, torch.from_numpy(special.softmax(joint, axis=1))


def enumerate_shared(
    log_global: Tensor, log_local: Tensor, log_likelihood: Tensor
) -> tuple[Tensor, Tensor]:
    inner = special.logsumexp(log_local.numpy()[:, None] + log_likelihood.numpy(), axis=2)
    joint = log_global.numpy() + inner.sum(axis=1)
    evidence = torch.tensor(special.logsumexp(joint), dtype=log_global.dtype)
    return evidence, torch.from_numpy(np.exp(joint - special.logsumexp(joint)))


def enumerated_elbo(logits: Tensor, log_joint: Tensor) -> Tensor:
    # Entropy by its own identity: log normaliser minus the mean logit.
    q = torch.softmax(logits, -1)
    entropy = torch.logsumexp(logits, -1) - (q * logits).sum(-1)
    return torch.sum((q * log_joint).sum(-1) + entropy)


def gumbel_max(logits: Tensor, uniform: Tensor) -> Tensor:
    perturbed = logits.numpy() - np.log(-np.log(uniform.numpy()))
    size = logits.shape[1]
    return torch.from_numpy(np.eye(size)[perturbed.argmax(axis=1)]).to(logits.dtype)


def gumbel_softmax(logits: Tensor, gumbel: Tensor, temperature: float) -> Tensor:
    w = (logits.numpy() + gumbel.numpy()) / temperature
    return torch.from_numpy(special.softmax(w, axis=-1))


def straight_through(y: Tensor) -> Tensor:
    hard = np.zeros(y.shape)
    hard[np.arange(len(hard)), y.detach().numpy().argmax(axis=1)] = 1
    return y + (torch.from_numpy(hard).to(y.dtype) - y.detach())


def pathwise_gradient(logit: Tensor, uniform: Tensor, temperature: float, target: float) -> Tensor:
    a = (logit.numpy() + special.logit(uniform.numpy())) / temperature
    y, rest = special.expit(a), special.expit(-a)
    return torch.from_numpy(np.asarray(2 / temperature * (y - target) * y * rest)).to(logit.dtype)
