"""Parts c and f: the student's function is called on tensors with gradients and differentiated."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _gradients(value: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Gradients of a scalar; zeros where it does not depend on a leaf."""
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(value, leaves, allow_unused=True)
    pairs = zip(leaves, found, strict=True)
    return [torch.zeros_like(leaf) if slope is None else slope for leaf, slope in pairs]


def run_c(function: Callable[..., Any], logits: Tensor, log_joint: Tensor) -> dict[str, Tensor]:
    """The ELBO and its gradients with respect to the logits and the log joint."""
    leaves = [logits.clone().requires_grad_(), log_joint.clone().requires_grad_()]
    value = function(logits=leaves[0], log_joint=leaves[1])
    slopes = _gradients(value, leaves)
    return {"elbo": value.detach(), "logits": slopes[0], "log_joint": slopes[1]}


def run_f(function: Callable[..., Any], y: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """The value, and the gradient of its sum with the given weights."""
    leaf = y.clone().requires_grad_()
    value = function(y=leaf)
    (slope,) = _gradients((value * weights).sum(), [leaf])
    return {"one_hot": value.detach(), "gradient": slope}
