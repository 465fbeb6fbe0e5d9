"""Draws of latents from a trained guide or the prior, and of data from the model."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from zoo.handlers.particles import particles
from zoo.program import Program
from zoo.protocols import DrawnInTurn
from zoo.sampling.importance_weights import (
    independent_rows,
    row_count,
    some_rows,
    summed_out,
    take_rows,
)
from zoo.sampling.simulated import simulate
from zoo.sampling.weighable import require_weights
from zoo.traces import Traces, run, weigh

MOST_PASSES = 50  # of a network, for one of many draws of a row
SELDOM = (
    "'{name}' is not drawn in every run, so that draws of it cannot be put together. Draw it in "
    "every run, and use it where the condition holds (torch.where)"
)


class Draws(NamedTuple):
    """Independent draws from a guide.

    Attributes:
        latents: site -> (draws, ...).
        log_likelihood: observed site -> (draws, rows), or (draws, ...) where there are no rows.
    """

    latents: dict[str, Tensor]
    log_likelihood: dict[str, Tensor]


class Weighted(NamedTuple):
    """Independent draws from a guide, with their densities.

    Attributes:
        latents: site -> (draws, ...).
        log_p: log p(x, z), nats, (draws, rows); one column where rows share a latent.
        log_q: log q(z), nats, the same shape.
        log_likelihood: observed site -> (draws, rows), see :class:`Draws`.
    """

    latents: dict[str, Tensor]
    log_p: Tensor
    log_q: Tensor
    log_likelihood: dict[str, Tensor]

    @property
    def log_w(self) -> Tensor:
        """The log-weights, (draws, rows)."""
        return self.log_p - self.log_q


class Summed(NamedTuple):
    """Independent draws from a guide of some latents, the others being summed out.

    Attributes:
        latents: site of the guide -> (draws, ...).
        log_w: log-weights with the other latents summed out, nats, (draws, rows); one column where
            rows share a latent.
    """

    latents: dict[str, Tensor]
    log_w: Tensor


@torch.no_grad()
def draw(program: Program, args: tuple, count: int, *, rows: int | None = None) -> Draws:
    """Draws of latents from the guide, with the log-likelihood of the observations.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        count: number of draws.
        rows: only the first so many data rows; None for all.
    """

    def one(taken: tuple, size: int) -> Draws:
        traces = run(*_wide(program, size), taken, program.kwargs)
        observed = _stacked(traces.model, "log_prob", program, program.latents.observed, size)
        return Draws(_latents(traces, program, size), observed)

    return Draws(*map(_join, zip(*_repeated(program, args, count, rows, one), strict=True)))


@torch.no_grad()
def draw_latents(program: Program, args: tuple, count: int) -> dict[str, Tensor]:
    """Draws of latents from the guide alone: site -> (draws, ...); the model is not run."""

    def one(taken: tuple, size: int) -> dict[str, Tensor]:
        _, guide = _wide(program, size)
        trace = poutine.trace(guide).get_trace(*taken, **program.kwargs)
        names = [name for name in program.latents.names if name in trace.nodes]
        return _stacked(trace, "value", program, names, size)

    return _join(_repeated(program, args, count, None, one))


@torch.no_grad()
def draw_weighted(
    program: Program, args: tuple, count: int, *, rows: int | None = None
) -> Weighted:
    """Draws from a guide of all latents, with log p(x, z) and log q(z); see `draw`.

    Raises:
        ValueError: if the guide leaves latents out, or importance weights are not defined; see
            :mod:`zoo.sampling.weighable`.
    """
    latents = program.latents
    require_all_drawn(program)
    require_weights(program, *some_rows(program, args))

    def one(taken: tuple, size: int) -> Weighted:
        traces = run(*_wide(program, size), taken, program.kwargs)
        found = weigh([traces], latents, rowwise=latents.rowwise)
        log_p = found.log_p + found.outside / found.log_p.shape[1]
        observed = _stacked(traces.model, "log_prob", program, latents.observed, size)
        return Weighted(_latents(traces, program, size), log_p, found.log_q, observed)

    return join_runs(_repeated(program, args, count, rows, one))


@torch.no_grad()
def draw_summed(program: Program, args: tuple, count: int, *, rows: int | None = None) -> Summed:
    """Draws from a guide of some latents, made one by one, the others summed out; see `draw`.

    Raises:
        ValueError: if the guide draws nothing, or importance weights are not defined; see
            :mod:`zoo.sampling.weighable`.
    """
    if not program.guided:
        require_all_drawn(program)
    require_weights(program, *some_rows(program, args))
    given, total = row_count(program, args), independent_rows(program, args)
    picked = _picked(program, given, rows)
    taken = take_rows(program, args, picked, given)
    latents, log_w = list[dict[str, Tensor]](), list[Tensor]()
    with poutine.block(), program.handlers(picked if program.latents.row_args else None):
        for _ in range(count):
            with _Recorded(program.guided or frozenset()) as seen:
                log_w.append(summed_out(program.pair, taken, program.kwargs, total))
            latents.append({name: value.unsqueeze(0) for name, value in seen.values.items()})
    return Summed(_join(latents), torch.cat(log_w))


class _Recorded(Messenger):
    """Records the values of named sites: the model's where the guide has them too."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.names, self.values = names, dict[str, Tensor]()

    def _pyro_post_sample(self, msg: Message) -> None:
        if msg["name"] in self.names:
            self.values[str(msg["name"])] = msg["value"]  # type: ignore[assignment]


def join_runs(parts: Iterable[Weighted]) -> Weighted:
    """The draws of several runs in one object."""
    sites, log_p, log_q, observed = zip(*parts, strict=True)
    return Weighted(_join(sites), torch.cat(log_p), torch.cat(log_q), _join(observed))


def require_all_drawn(program: Program) -> None:
    """Refuses a guide that does not draw all latents.

    Raises:
        ValueError: naming the latents that it leaves out.
    """
    left = [site.name for site in program.pair.left]
    if left:
        raise ValueError(
            "the guide draws nothing" if not program.guided else f"no draws of {left}"
        )


@torch.no_grad()
def draw_predictive(
    program: Program, args: tuple, count: int, *, rows: int | None = None
) -> dict[str, Tensor]:
    """Draws of data from the model given latents from the guide: observed site -> (draws, ...)."""

    def one(taken: tuple, size: int) -> dict[str, Tensor]:
        model, guide = _wide(program, size)
        guided = poutine.trace(guide).get_trace(*taken, **program.kwargs)
        trace = simulate(poutine.replay(model, trace=guided), taken, program.kwargs)
        return _stacked(trace, "value", program, program.latents.observed, size)

    return _join(_repeated(program, args, count, rows, one))


@torch.no_grad()
def draw_jointly(
    program: Program, args: tuple, count: int, *, rows: int | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Draws of latents from the prior, and of data given them: site -> (draws, ...) each."""

    def one(taken: tuple, size: int) -> tuple[dict, dict]:
        model, _ = _wide(program, size)
        trace = simulate(model, taken, program.kwargs)
        names = program.latents.names, program.latents.observed
        return tuple(_stacked(trace, "value", program, each, size) for each in names)  # type: ignore[return-value]

    latents, data = zip(*_repeated(program, args, count, rows, one), strict=True)
    return _join(latents), _join(data)


@torch.no_grad()
def draw_prior(program: Program, args: tuple, *, rows: int) -> dict[str, Tensor]:
    """One draw of every latent from the model's prior, for the first so many rows."""
    with poutine.block(), program.handlers(None):
        trace = poutine.trace(program.model).get_trace(
            *first_rows(program, args, rows), **program.kwargs
        )
    return {name: trace.nodes[name]["value"] for name in program.latents.names}  # type: ignore[misc]


def drawn_in_turn(program: Program, args: tuple) -> str:
    """Why rows should not be drawn by the thousand; empty if a draw of one is quick."""
    for name, site in observed_sites(program, args).items():
        fn = site["fn"]
        if isinstance(fn, DrawnInTurn) and fn.passes > MOST_PASSES:
            return f"a draw of '{name}' takes {fn.passes} passes of the network, one an element"
    return ""


@torch.no_grad()
def observed_sites(program: Program, args: tuple) -> dict[str, Any]:
    """Observed site -> its node in the trace of one run, with its value and distribution."""
    with poutine.block(), program.handlers(None):
        trace = poutine.trace(program.model).get_trace(*args, **program.kwargs)
    return {name: trace.nodes[name] for name in program.latents.observed}


def first_rows(program: Program, args: tuple, rows: int | None) -> tuple:
    """The arguments with only their first so many data rows; None for all."""
    total = row_count(program, args)
    return take_rows(program, args, _picked(program, total, rows), total)


def _picked(program: Program, total: int, rows: int | None) -> Tensor:
    return torch.arange(min(rows or total, total), device=next(program.parameters()).device)


def _repeated(
    program: Program, args: tuple, count: int, rows: int | None, one: Callable
) -> list[Any]:
    """`one(arguments, draws)`, called once if the model broadcasts, else for each draw."""
    latents, total = program.latents, row_count(program, args)
    picked = _picked(program, total, rows)
    taken = take_rows(program, args, picked, total)
    sizes = [count] if latents.vectorises else [1] * count
    with poutine.block(), program.handlers(picked if latents.row_args else None):
        return [one(taken, size) for size in sizes]


def _wide(program: Program, count: int) -> tuple[Callable, Callable]:
    """The model and the guide, each run on that many particles at once."""
    pair, nesting = program.pair, program.latents.nesting
    if count == 1:
        return pair.model, pair.guide
    return particles(pair.model, count, nesting), particles(pair.guide, count, nesting)


def _latents(traces: Traces, program: Program, count: int) -> dict[str, Tensor]:
    """The latents that the guide draws, as the model has them; a relaxed guide's are relaxed."""
    names = [name for name in program.latents.names if name in traces.guide.nodes]
    return _stacked(traces.model, "value", program, names, count)


def _stacked(
    trace: Trace, field: str, program: Program, names: Iterable[str], count: int
) -> dict[str, Tensor]:
    """A field of some sites, draws in the first dimension, without plate dimensions of size 1."""
    nodes: dict[str, Any] = dict(trace.nodes)
    nesting, found = program.latents.nesting, {}
    for name in names:
        if name not in nodes:
            raise ValueError(SELDOM.format(name=name))
        event = 0 if field == "log_prob" else len(nodes[name]["fn"].event_shape)
        found[name] = _draws_first(nodes[name][field], count, event, nesting)
    return found


def _draws_first(value: Tensor, count: int, event: int, nesting: int) -> Tensor:
    batch = value.shape[: value.dim() - event]
    if count == 1 or len(batch) <= nesting:
        return value.expand(count, *value.shape) if count > 1 else value.unsqueeze(0)
    own = [size for size in batch[1:] if size > 1]
    return value.reshape(batch[0], *own, *value.shape[value.dim() - event :])


def _join(parts: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    listed = list(parts)
    for name in set[str]().union(*listed):
        if any(name not in part for part in listed):
            raise ValueError(SELDOM.format(name=name))
    return {name: torch.cat([part[name] for part in listed]) for name in listed[0]}
