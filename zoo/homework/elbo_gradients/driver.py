"""Calls the student's function and follows its result back to the parameters by autograd."""

from collections.abc import Callable

import torch
from torch import Tensor


def _gradients(objective: Tensor, parameters: list[Tensor]) -> list[Tensor]:
    """The gradients; zeros for a parameter that the objective does not reach."""
    if not objective.requires_grad:
        return [torch.zeros_like(parameter) for parameter in parameters]
    found = torch.autograd.grad(objective, parameters, allow_unused=True)
    pairs = zip(found, parameters, strict=True)
    return [torch.zeros_like(p) if gradient is None else gradient for gradient, p in pairs]


def _leaves(*tensors: Tensor) -> list[Tensor]:
    return [tensor.detach().clone().requires_grad_() for tensor in tensors]


def run_c(
    function: Callable[..., Tensor], eps: Tensor, loc: Tensor, log_scale: Tensor
) -> dict[str, Tensor]:
    """The draws z, and the gradients of half the sum of their squares."""
    loc, log_scale = _leaves(loc, log_scale)
    z = function(eps, loc, log_scale)
    gradients = _gradients(0.5 * z.square().sum(), [loc, log_scale])
    return {"z": z, "loc_gradient": gradients[0], "log_scale_gradient": gradients[1]}


def run_d(
    function: Callable[..., Tensor], eps: Tensor, loc: Tensor, log_scale: Tensor, **model: Tensor
) -> dict[str, Tensor]:
    """The estimate and its gradients."""
    loc, log_scale = _leaves(loc, log_scale)
    elbo = function(eps, loc, log_scale, **model)
    gradients = _gradients(elbo, [loc, log_scale])
    return {"elbo": elbo, "loc_gradient": gradients[0], "log_scale_gradient": gradients[1]}


def run_e(
    function: Callable[..., tuple[Tensor, Tensor]], eps: Tensor, loc: Tensor, raw: Tensor
) -> dict[str, Tensor]:
    """The draws, their log densities, and the gradients of half the sum of squares plus log q."""
    loc, raw = _leaves(loc, raw)
    z, log_q = function(eps, loc, raw)
    gradients = _gradients(0.5 * z.square().sum() + log_q.sum(), [loc, raw])
    return {"z": z, "log_q": log_q, "loc_gradient": gradients[0], "raw_gradient": gradients[1]}


def run_f(
    function: Callable[..., Tensor], eps: Tensor, loc: Tensor, raw: Tensor, **model: Tensor
) -> dict[str, Tensor]:
    """The estimate and its gradients."""
    loc, raw = _leaves(loc, raw)
    elbo = function(eps, loc, raw, **model)
    gradients = _gradients(elbo, [loc, raw])
    return {"elbo": elbo, "loc_gradient": gradients[0], "raw_gradient": gradients[1]}
