"""Compares a captured step with the plain step on fresh inputs under the same noise.

In float32 a score-function gradient of many rows is a small difference of large numbers. Two
orders of the same sum then differ by more than the tolerance. So a step that fails in float32 is
run in float64 too, and may differ by a few times the rounding error of the plain step itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from zoo.compile.flat_parameters import FlatParameters, all_tensors
from zoo.compile.noise import ExplicitNoise, Spec, draw_noise, replay
from zoo.copies import copied_as_it_stands
from zoo.data.batches import Batches
from zoo.handlers.parameters import named_tensors, restore
from zoo.isolation import in_double
from zoo.program import Program

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}  # relative to the largest value
ROUNDING_ERRORS = 4.0  # rounding errors of the plain step that a captured one may differ by
MOST_ROUNDING = 1e-3  # of the largest value: a larger difference is never taken for rounding
LAST_BITS = 4  # units in the last place of the largest gradient that any gradient may differ by
CASES = ((3.0, 0.0), (7.0, 1e-2), (7.0, 3e-2))  # step number, size of a random move of parameters

Named = dict[str, Tensor]


class CaptureError(RuntimeError):
    """A step cannot be captured, or the captured step does not equal the plain one."""


@dataclass(frozen=True)
class Claim:
    """A captured step that is to be compared with the plain one.

    Attributes:
        graph: the step, as :meth:`zoo.compile.capture.Captured.graph`.
        layout: of its parameters.
        noise: that it takes.
    """

    graph: Callable
    layout: FlatParameters
    noise: tuple[Spec, ...]


def verify(
    claim: Claim, program: Program, rows: Batches, parameters: Sequence[nn.Parameter]
) -> None:
    """Compares loss, every gradient and every new buffer with the plain step's.

    Parameters, step number, rows and noise differ from those that the step was captured with. The
    program is left as it was.

    Raises:
        CaptureError: naming the first tensor that differs, and the likely cause.
    """
    before = named_tensors(program)
    try:
        for i, (number, move) in enumerate(CASES):
            _move(parameters, move)
            step = torch.full((), number, device=parameters[0].device)
            _one_case(claim, program, rows, step, i)
    finally:
        restore(program, before)
        program.zero_grad(set_to_none=True)


@torch.no_grad()
def _move(parameters: Sequence[nn.Parameter], size: float) -> None:
    for parameter in parameters:
        parameter.add_(size * torch.randn_like(parameter))


def _one_case(claim: Claim, program: Program, rows: Batches, step: Tensor, case: int) -> None:
    noise = draw_noise(claim.noise)
    picked = None
    if rows.order is not None:
        picked = rows.order.block(case + 1, 1)[0].to(step.device)
    flat, held = claim.layout.read(program)
    empty = torch.zeros(0, dtype=torch.int64, device=step.device)
    given = empty if picked is None else picked
    with torch.no_grad():
        loss, gradient, after = claim.graph(flat, held, step, given, noise, rows.args)
    captured = {"loss": loss}
    captured |= {f"gradient of {k}": v for k, v in claim.layout.split(gradient).items()}
    captured |= dict(zip((f"buffer {name}" for name in claim.layout.held), after, strict=True))
    plain = plain_step(program, rows, claim.layout, step, picked, noise)
    name = first_difference(captured, plain)
    if name is not None:
        claim.layout.write(program, flat, held)
        exact = step_in_double(program, rows, claim.layout, step, picked, noise)
        name = first_difference(captured, plain, exact)
    if name is not None:
        again = plain_step(program, rows, claim.layout, step, picked, noise)
        raise CaptureError(_explain(name, captured[name], plain, again))


def plain_step(
    program: Program,
    rows: Batches,
    layout: FlatParameters,
    step: Tensor,
    picked: Tensor | None,
    noise: Sequence[Tensor],
) -> Named:
    """Loss, gradients and new buffers of the plain step under given noise, by name."""
    program.zero_grad(set_to_none=True)
    with ExplicitNoise(replay(noise)):
        loss = program.backward(step, picked, *rows.take(picked))
    tensors = all_tensors(program)
    gradients = {f"gradient of {name}": gradient_of(tensors[name]) for name in layout.names}
    held = {f"buffer {name}": tensors[name].detach().clone() for name in layout.held}
    return {"loss": loss.detach()} | gradients | held


def step_in_double(
    program: Program,
    rows: Batches,
    layout: FlatParameters,
    step: Tensor,
    picked: Tensor | None,
    noise: Sequence[Tensor],
) -> Named | None:
    """The plain step of a float64 copy under the same noise; None if it needs float32."""
    same = replace(rows, args=tuple(_double(arg) for arg in rows.args))
    double = copied_as_it_stands(program).double()
    with in_double():
        try:
            draws = [_double(draw) for draw in noise]
            return plain_step(double, same, layout, step.double(), picked, draws)
        except RuntimeError:  # "expected both to have the same dtype"
            return None


def _double(value: Any) -> Any:
    real = isinstance(value, Tensor) and value.is_floating_point()
    return value.double() if real else value


def gradient_of(parameter: Tensor) -> Tensor:
    """The gradient of a parameter; zeros if it has none."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def first_difference(found: Named, expected: Named, exact: Named | None = None) -> str | None:
    """Name of the first tensor that differs beyond the tolerance of its dtype; None if none does.

    NaN equals NaN here: a step that diverges may be captured, and diverges when it is compiled.

    Args:
        found: tensors of the captured step.
        expected: tensors of the plain step.
        exact: the expected tensors in float64; with them, differences of the size of the plain
            step's own rounding error are allowed.
    """
    gradients = [value for name, value in expected.items() if name.startswith("gradient of ")]
    step = max((float(_largest(value)) for value in gradients), default=0.0)
    for name, value in expected.items():
        other, largest = found[name], _largest(value)
        if value.dtype == torch.bool:  # a mask, which has no difference
            other, value = other.double(), value.double()
        same = (other == value) | ((other != other) & (value != value))
        error = torch.where(same, 0.0, (other - value).abs().double())
        limit = TOLERANCE.get(value.dtype, 0.0) * largest + torch.finfo(torch.float32).tiny
        if value.is_floating_point():  # sums that cancel keep the rounding error of their terms
            limit = torch.clamp(limit, min=LAST_BITS * torch.finfo(value.dtype).eps * step)
        if exact is not None and value.numel():
            rounding = ROUNDING_ERRORS * (value - exact[name]).abs().max().nan_to_num(0.0)
            limit = torch.maximum(limit, torch.minimum(rounding, MOST_ROUNDING * largest))
        if not (error <= limit).all():
            return name
    return None


def _largest(value: Tensor) -> Tensor:
    """The largest finite magnitude, as a double of shape (); 0 of an empty tensor."""
    scale = torch.where(value.isfinite(), value.double().abs(), 0.0)
    return scale.max() if value.numel() else scale.new_zeros(())


def _explain(name: str, captured: Tensor, plain: Named, again: Named) -> str:
    if first_difference(again, plain) is not None or pyro.get_param_store():
        cause = "state on the Python side: the plain step, run twice on the same inputs, differs"
    elif name == "loss" or name.startswith("buffer"):
        cause = "control flow that depends on data, or a Python number that moves, frozen in"
    else:
        cause = "a value that was detached, or a constant that was frozen in"
    error = float((captured - plain[name]).abs().max())
    return (
        f"The captured step does not equal the plain one: {name} differs by {error:.3g}. "
        f"The likely cause is {cause}."
    )
