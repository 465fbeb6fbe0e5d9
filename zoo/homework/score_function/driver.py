"""Parts b, c and f: the inputs that only the judge needs are left out; part c is differentiated.

The particles `z`, the data `x`, and the parameters `weights` and `logits` say which draw a call
is about.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Any]


def run_b(function: Function, log_p: Tensor, log_q: Tensor, score: Tensor, **draw: Tensor) -> Any:
    """The student's estimate for one draw of all particles."""
    return function(log_p=log_p, log_q=log_q, score=score)


def run_c(
    function: Function, log_p: Tensor, log_q: Tensor, score: Tensor, **draw: Tensor
) -> dict[str, Tensor]:
    """The slopes (K, N) of the surrogate in log_p and log_q; zeros where there is none."""
    leaves = [log_p.clone().requires_grad_(), log_q.clone().requires_grad_()]
    value = function(log_p=leaves[0].clone(), log_q=leaves[1].clone())
    found = torch.autograd.grad(value, leaves, allow_unused=True)
    slopes = [
        torch.zeros_like(leaf) if slope is None else slope
        for leaf, slope in zip(leaves, found, strict=True)
    ]
    return {"log_p": slopes[0], "log_q": slopes[1]}


def run_f(function: Function, log_p: Tensor, log_q: Tensor, score: Tensor, **draw: Tensor) -> Any:
    """The student's estimate for one draw of all particles."""
    return function(signal=log_p - log_q, score=score)
