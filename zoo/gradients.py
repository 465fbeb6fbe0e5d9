"""Many independent gradients of one objective at once, for measuring their bias and variance."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.capture import Captured, capture
from zoo.isolation import isolated
from zoo.layout import Layout
from zoo.noise import draw_noise
from zoo.program import Program
from zoo.rows import Rows

CHUNK = 2**22  # numbers of gradient held at once


class GradientDraws(NamedTuple):
    """Independent draws of a step's loss and gradient at fixed parameters.

    Attributes:
        losses: nats for the full data, shape (draws,).
        gradients: shape (draws, parameters).
        layout: which columns of `gradients` belong to which parameter.
    """

    losses: Tensor
    gradients: Tensor
    layout: Layout


def gradient_draws(
    program: Program, rows: Rows, draws: int, *, seed: int = 0, step: int = 0
) -> GradientDraws:
    """Draws the gradient of a program's objective `draws` times, each with noise of its own.

    Args:
        program: model, guide and objective, at the parameters of interest.
        rows: training data; where it has an order, all draws take the rows of its first step.
        draws: how many.
        seed: of the noise.
        step: number of the step, for schedules.

    Raises:
        CaptureError: if the step cannot be captured.
        ValueError: for fewer than one draw.
    """
    if draws < 1:
        raise ValueError(f"Expected at least 1 draw; got {draws}.")
    parameters = [parameter for parameter in program.parameters() if parameter.requires_grad]
    with isolated(seed=seed):
        captured = capture(program, rows, parameters)
        torch.manual_seed(seed)
        return draw_gradients(captured, program, rows, draws, step=step)


def draw_gradients(
    captured: Captured, program: Program, rows: Rows, draws: int, *, step: int = 0
) -> GradientDraws:
    """The same from a captured step, with noise from the global random state."""
    size = sum(shape.numel() for shape in captured.layout.shapes)
    at_once = max(1, min(draws, CHUNK // size))
    parts = [
        _chunk(captured, program, rows, min(at_once, draws - start), step)
        for start in range(0, draws, at_once)
    ]
    losses, gradients = zip(*parts, strict=True)
    return GradientDraws(torch.cat(losses), torch.cat(gradients), captured.layout)


@torch.no_grad()
def _chunk(
    captured: Captured, program: Program, rows: Rows, count: int, step: int
) -> tuple[Tensor, Tensor]:
    flat, held = captured.layout.read(program)
    noise = draw_noise(captured.noise, count)
    picked = torch.zeros(0, dtype=torch.int64)
    if rows.order is not None:
        picked = rows.order.block(step, 1)[0]
    number = torch.full((), float(step), device=flat.device)
    many: Callable = captured.graph
    if noise:
        many = torch.vmap(captured.graph, in_dims=(None, None, None, None, 0, None))
    loss, gradient, _ = many(flat, held, number, picked.to(flat.device), noise, tuple(rows.args))
    return loss.expand(count), gradient.expand(count, -1)
