"""Draws many independent gradients of an objective, to measure their bias and variance."""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo.compile.capture import Captured, CaptureError, capture
from zoo.compile.flat_parameters import FlatParameters, flat_parameters_of
from zoo.compile.noise import draw_noise
from zoo.compile.verify import gradient_of
from zoo.data.batches import Batches
from zoo.isolation import isolated, seed_all
from zoo.program import Program

Sampler = Callable[[int], Tensor]
CHUNK = 2**22  # largest number of values of gradients in memory at once


class GradientDraws(NamedTuple):
    """Independent draws of a step's loss and gradient at fixed parameters.

    Attributes:
        losses: nats for the full data, shape (draws,).
        gradients: shape (draws, parameters).
        layout: which columns of `gradients` belong to which parameter.
    """

    losses: Tensor
    gradients: Tensor
    layout: FlatParameters


def gradient_draws(
    program: Program, rows: Batches, draws: int, *, seed: int = 0, step: int = 0
) -> GradientDraws:
    """Independent draws of the gradient of a program's objective.

    Args:
        program: model, guide and objective, at the parameters of interest.
        rows: training data; in minibatches, all draws use the one of the first step.
        draws: number of draws.
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
        seed_all(seed)
        return draw_gradients(captured, program, rows, draws, step=step)


def draw_gradients(
    captured: Captured, program: Program, rows: Batches, draws: int, *, step: int = 0
) -> GradientDraws:
    """Independent draws of the gradient of a captured step, from the global random state."""
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
    captured: Captured, program: Program, rows: Batches, count: int, step: int
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


def sampler(
    program: Program, rows: Batches, parameters: Sequence[nn.Parameter], *, work: int = 1
) -> tuple[Sampler, FlatParameters]:
    """A function that draws any number of gradients, (draws, parameters).

    Call it, and the function that it returns, inside :func:`zoo.isolation.isolated`.

    Args:
        program: model, guide and objective, at the parameters of interest.
        rows: training data; in minibatches, all draws use the one of the first step.
        parameters: with respect to which gradients are taken.
        work: number of values that one draw needs in memory, if more than its gradient has.

    Returns:
        The function, and which columns of its result belong to which parameter.
    """
    try:
        captured = capture(program, rows, parameters)
    except CaptureError as error:
        warnings.warn(f"Gradients are drawn one by one: {error}", stacklevel=2)
        return lambda count: _one_by_one(program, rows, parameters, count), flat_parameters_of(
            program, parameters
        )
    size = max(work, sum(shape.numel() for shape in captured.layout.shapes))
    at_once = max(1, CHUNK // size)

    def some(count: int) -> Tensor:
        counts = [min(at_once, count - start) for start in range(0, count, at_once)]
        return torch.cat([_chunk(captured, program, rows, n, 0)[1] for n in counts])

    return some, captured.layout


def _one_by_one(
    program: Program, rows: Batches, parameters: Sequence[nn.Parameter], count: int
) -> Tensor:
    picked = None if rows.order is None else rows.order.block(0, 1)[0]
    clock, found = torch.zeros((), device=parameters[0].device), []
    names = flat_parameters_of(program, parameters).names
    tensors = dict(program.named_parameters())
    for _ in range(count):
        program.zero_grad(set_to_none=True)
        program.backward(clock, picked, *rows.take(picked))
        found.append(torch.cat([gradient_of(tensors[name]).reshape(-1) for name in names]))
    return torch.stack(found)
