"""May rows be scored in chunks? Does a row have the same log-probability among other rows?

Scoring in chunks and training on minibatches call the model and the guide with some of the rows.
That is wrong for a model that uses the position of a row, as by ``t = torch.arange(len(x))``, or
that holds data besides its arguments. The check runs both on some rows, then on the second half of
these with the same values of the latents, and compares the log-probabilities.
"""

from copy import copy
from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import constraints

from zoo.handlers.parameters import in_eval_mode
from zoo.isolation import isolated
from zoo.latents import Family
from zoo.program import Program
from zoo.sampling.importance_weights import row_count, take_rows
from zoo.sites.supports import of_one_element
from zoo.traces import Assign, Traces, run, sample_sites

ROWS_CHECKED = 64
MOST_ROUNDING = 0.01  # of the model's largest log-probability
ROUNDING = 10  # times what the rounding of the values changes in a log-probability

Terms = dict[tuple[str, str], Tensor]  # ("model" or "guide", site) -> log-probabilities


def with_rows_together(program: Program, args: tuple) -> Program:
    """The program; if rows cannot be split, a copy that always runs on all rows.

    A guide that is not a Family is not checked, since it may store what it is called with. Its
    rows are not split anyway unless they are many (see :mod:`zoo.sampling.importance_weights`).
    """
    if not isinstance(program.guide, Family) or why_inseparable(program, args) is None:
        return program
    whole = copy(program)
    whole.latents = replace(program.latents, row_args=())
    return whole


def why_inseparable(program: Program, args: tuple) -> str | None:
    """Why rows cannot be split; None if they can, or if no argument has rows.

    Args:
        program: model, guide and objective.
        args: arguments of the model, on its device.
    """
    rows = row_count(program, args)
    if not program.latents.row_args or rows < 2:
        return None
    held = torch.arange(min(rows, ROWS_CHECKED), device=args[program.latents.row_args[0]].device)
    half = held[len(held) // 2 :]
    with isolated(seed=0), torch.no_grad(), in_eval_mode([program]):
        try:
            first = _run(program, args, held, {})
            values = _values(program, first, half)
            second = _run(program, args, half, values)
        except Exception as error:  # a user's model may raise anything
            return f"the model and the guide cannot be run on some of the rows ({_line(error)})"
        try:
            nudged = _run(program, args, half, _nudged(values, first))
        except Exception:  # noqa: BLE001  a value at the edge of its support may have left it
            nudged = second
    return _difference(
        _terms(program, first, half), _terms(program, second, None), _terms(program, nudged, None)
    )


def _run(program: Program, args: tuple, picked: Tensor, values: dict[str, Tensor]) -> Traces:
    taken = take_rows(program, args, picked, row_count(program, args))
    with program.handlers(picked), Assign(values):
        pair = program.pair
        return run(pair.model, pair.guide, taken, program.kwargs)


def _values(program: Program, traces: Traces, half: Tensor) -> dict[str, Tensor]:
    """The values that were drawn, for some of the rows."""
    found = {}
    for trace in traces:
        for site in sample_sites(trace):
            if not site["is_observed"]:
                event = len(site["fn"].event_shape)  # type: ignore[attr-defined]
                value: Tensor = site["value"]  # type: ignore[assignment]
                found[str(site["name"])] = _some(program, value, event, half)
    return found


def _terms(program: Program, traces: Traces, half: Tensor | None) -> Terms:
    """Log-probabilities of each site inside the row plate, for some of the rows or for all."""
    plate, found = program.latents.row_plate, {}
    assert plate is not None
    for who, trace in zip(("model", "guide"), traces, strict=True):
        for site in sample_sites(trace):
            if plate.name in {frame.name for frame in site["cond_indep_stack"]}:
                value: Tensor = site["unscaled_log_prob"]  # type: ignore[typeddict-item]
                found[who, str(site["name"])] = (
                    value if half is None else _some(program, value, 0, half)
                )
    return found


def _some(program: Program, value: Tensor, event: int, half: Tensor) -> Tensor:
    """The chosen rows of a value; the value itself if it has no row dimension."""
    plate = program.latents.row_plate
    assert plate is not None
    dim, held = plate.dim - event, int(half[-1]) + 1
    if value.dim() < -dim or value.shape[dim] != held:
        return value
    return value.index_select(dim, half)


def _nudged(values: dict[str, Tensor], traces: Traces) -> dict[str, Tensor]:
    """The values, real vectors and numbers changed by their rounding, up and down in turn."""
    nudged = dict(values)
    for trace in traces:
        for site in sample_sites(trace):
            name, support = str(site["name"]), site["fn"].support  # type: ignore[attr-defined]
            if name in values and of_one_element(support) is constraints.real:
                signs = torch.ones_like(values[name]).flatten()
                signs[1::2] = -1
                eps = torch.finfo(values[name].dtype).eps
                nudged[name] = values[name] * (1 + eps * signs.view_as(values[name]))
    return nudged


def _difference(first: Terms, second: Terms, nudged: Terms) -> str | None:
    """The first site at which rows differ by more than rounding.

    A guide's correlated normal, before it is trained, can turn the rounding of its values into any
    number in its log-probability; how much shows in `nudged`, the second run with values that are
    rounded otherwise. Of the model little of that is believed.
    """
    if first.keys() != second.keys():
        return "the sites are others when some rows are left out"
    for (who, name), value in first.items():
        other = second[who, name]
        scale = 1 + value.abs().nan_to_num(posinf=0.0).max()
        rounding = (nudged[who, name] - other).abs().nan_to_num(posinf=0.0)
        allowed = ROUNDING * rounding.max()
        if who == "model":
            allowed = (ROUNDING * rounding).clamp(max=MOST_ROUNDING * scale)
        limit = scale * torch.finfo(value.dtype).eps ** 0.5 + allowed
        apart = (other - value).abs().nan_to_num(nan=0.0)
        if (
            apart.shape != torch.broadcast_shapes(value.shape, other.shape)
            or (apart > limit).any()
        ):
            return f"the {who}'s '{name}' gives a row another log-probability among other rows"
    return None


def _line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
