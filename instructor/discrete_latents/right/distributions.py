"""torch.distributions and Pyro; derivatives by autograd."""

import pyro.distributions
import torch
from torch import Tensor, distributions


def enumerate_rows(log_prior: Tensor, log_likelihood: Tensor) -> tuple[Tensor, Tensor]:
    joint = distributions.Categorical(logits=log_prior + log_likelihood)
    # Bayes' rule at the first state.
    evidence = log_prior[0] + log_likelihood[:, 0] - joint.logits[:, 0]
    return evidence.sum(), joint.probs


def enumerate_shared(
    log_global: Tensor, log_local: Tensor, log_likelihood: Tensor
) -> tuple[Tensor, Tensor]:
    leaf = log_global.clone().requires_grad_()
    rows = (log_local[:, None] + log_likelihood).logsumexp(-1).sum(-1)
    evidence = (leaf + rows).logsumexp(0)
    # The gradient of a log normaliser is the posterior.
    (posterior,) = torch.autograd.grad(evidence, leaf)
    return evidence.detach(), posterior


def enumerated_elbo(logits: Tensor, log_joint: Tensor) -> Tensor:
    q = pyro.distributions.Categorical(logits=logits)
    return q.entropy().sum() + (q.probs * log_joint).sum()


def gumbel_max(logits: Tensor, uniform: Tensor) -> Tensor:
    zero = torch.zeros_like(logits)
    noise = distributions.Gumbel(zero, zero + 1).icdf(uniform)
    best = torch.max(logits + noise, dim=-1, keepdim=True).indices
    return torch.zeros_like(logits).scatter_(-1, best, 1.0)


def gumbel_softmax(logits: Tensor, gumbel: Tensor, temperature: float) -> Tensor:
    return distributions.Categorical(logits=(logits + gumbel).div(temperature)).probs


class _StraightThrough(torch.autograd.Function):
    """One-hot forward, identity backward."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, y: Tensor) -> Tensor:
        return torch.eye(y.shape[1], dtype=y.dtype)[y.argmax(1)]

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, slope: Tensor) -> Tensor:
        return slope


def straight_through(y: Tensor) -> Tensor:
    return _StraightThrough.apply(y)


def pathwise_gradient(logit: Tensor, uniform: Tensor, temperature: float, target: float) -> Tensor:
    shift = torch.zeros_like(uniform, requires_grad=True)
    y = torch.sigmoid((logit + shift + torch.logit(uniform)) / temperature)
    return torch.autograd.grad((y - target).square().sum(), shift)[0]
