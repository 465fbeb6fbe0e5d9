"""Part e: the functions that the student's step calls. Part g: the loss is differentiated.

The functions of part e return draws that are known beforehand, and slopes that are simple
functions of what they are called with; they are not those of a Helmholtz machine.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Any]


def _means(x: Tensor, z: Tensor, mix_x: Tensor, mix_z: Tensor) -> tuple[Tensor, Tensor]:
    return (x @ mix_x.to(x)).mean(0), (z @ mix_z.to(z)).mean(0)


def run_e(
    function: Function,
    *,
    x: Tensor,
    z: Tensor,
    x_dream: Tensor,
    z_dream: Tensor,
    mix_x: Tensor,
    mix_z: Tensor,
    **parameters: Any,
) -> dict[str, Tensor]:
    """The parameters after the student's step."""

    def recognise(data: Tensor) -> Tensor:
        # Other latent variables for anything but the data.
        return z if torch.equal(data.to(x), x) else 1 - z[: len(data)]

    def dream(rows: int) -> tuple[Tensor, Tensor]:
        return z_dream[:rows], x_dream[:rows]

    def wake_gradient(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean_x, mean_z = _means(x, z, mix_x, mix_z)
        return mean_z, torch.outer(mean_z, mean_x), mean_x

    def sleep_gradient(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        mean_x, mean_z = _means(x, z, mix_x, mix_z)
        return torch.outer(mean_x, mean_z**2), mean_z**2

    found = function(
        x=x,
        **parameters,
        recognise=recognise,
        dream=dream,
        wake_gradient=wake_gradient,
        sleep_gradient=sleep_gradient,
    )
    return dict(zip(("b", "w", "c", "v", "a"), found, strict=True))


def run_g(function: Function, log_p: Tensor, log_q: Tensor) -> dict[str, Tensor]:
    """The slopes of the student's loss in log_p and log_q; zeros where there is none."""
    leaves = [log_p.clone().requires_grad_(), log_q.clone().requires_grad_()]
    value = function(log_p=leaves[0].clone(), log_q=leaves[1].clone())
    found = torch.autograd.grad(value, leaves, allow_unused=True)
    slopes = [
        torch.zeros_like(leaf) if slope is None else slope
        for leaf, slope in zip(leaves, found, strict=True)
    ]
    return {"log_p": slopes[0], "log_q": slopes[1]}
