"""The functions of torch.nn.functional that do the work."""

import torch
from torch import Tensor
from torch.nn import functional


def enumerate_rows(log_prior: Tensor, log_likelihood: Tensor) -> tuple[Tensor, Tensor]:
    joint = torch.add(log_likelihood, log_prior)
    leaf = joint.detach().clone().requires_grad_()
    evidence = torch.logsumexp(leaf, dim=-1).sum()
    evidence.backward()
    return evidence.detach(), leaf.grad


def enumerate_shared(
    log_global: Tensor, log_local: Tensor, log_likelihood: Tensor
) -> tuple[Tensor, Tensor]:
    joint = log_global + torch.vmap(lambda a, b: torch.logsumexp(a + b, -1).sum())(
        log_local, log_likelihood
    )
    return joint.logsumexp(0), functional.softmax(joint, dim=0)


def enumerated_elbo(logits: Tensor, log_joint: Tensor) -> Tensor:
    log_q = functional.log_softmax(logits, dim=1)
    # kl_div(input, target) is the divergence of exp(target) from exp(input).
    return -functional.kl_div(log_joint, log_q, reduction="sum", log_target=True)


def gumbel_max(logits: Tensor, uniform: Tensor) -> Tensor:
    log_time = torch.log(-torch.log(uniform)) - logits
    return functional.one_hot(log_time.argmin(-1), logits.shape[-1]).to(logits.dtype)


def gumbel_softmax(logits: Tensor, gumbel: Tensor, temperature: float) -> Tensor:
    return functional.softmin(-(logits + gumbel) / temperature, dim=-1)


def straight_through(y: Tensor) -> Tensor:
    hard = functional.one_hot(y.argmax(-1), y.shape[-1])
    return torch.lerp(y, hard.to(y.dtype), 1.0).detach() + y - y.detach()


def pathwise_gradient(logit: Tensor, uniform: Tensor, temperature: float, target: float) -> Tensor:
    def loss(shift: Tensor, u: Tensor) -> Tensor:
        y = functional.sigmoid((shift + torch.logit(u)) / temperature)
        return (y - target) ** 2

    return torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(logit, uniform)
