"""What a guide says of the latents of rows, and the data that they lead one to expect."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from pyro import poutine
from torch import Tensor

from zoo.latents import Family, Kind
from zoo.latents.family import class_of
from zoo.latents.forms import as_numbers
from zoo.manifolds.summary import on_hyperboloid, on_sphere
from zoo.program import Program
from zoo.sampling.draws import draw_latents, draw_predictive
from zoo.sampling.importance_weights import row_count, take_rows
from zoo.sampling.simulated import simulate

MOST_VALUES_AT_ONCE = 2**24  # draws times rows times values of a row

Sites = dict[str, Tensor]


class Codes(NamedTuple):
    """Posterior means and standard deviations under the guide, site -> (rows, ...).

    Of points on a sphere the mean is the mean direction, in hyperbolic space the Lorentz centroid;
    the standard deviation is one number for each point, the root mean squared geodesic distance.
    """

    mean: Sites
    sd: Sites

    def __repr__(self) -> str:
        shapes = ", ".join(f"'{name}': {tuple(z.shape)}" for name, z in self.mean.items())
        return f"Codes: mean and sd of {{{shapes}}}"


def encode(program: Program, args: tuple, names: tuple[str, ...], draws: int) -> Codes:
    """Means and sds of latents of rows.

    Of a permutation they are those of its matrix: the chance of each item in each place.
    They are those of the guide's own distribution where each latent has one with known moments,
    else those of draws.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        names: the latents asked for.
        draws: draws for each row, where the moments are not known.
    """
    parts = []
    for taken, rows in _chunks(program, args, draws):
        with torch.no_grad(), poutine.block(), program.handlers(rows):
            known = _moments(program, taken, names)
        parts.append(known or _of_draws(program, taken, names, draws))
    return Codes(*({n: torch.cat([p[i][n] for p in parts]) for n in names} for i in (0, 1)))


def expected_data(program: Program, args: tuple, draws: int) -> Sites:
    """Observed site -> E[x | z] averaged over draws of z from the guide.

    Where a distribution has no known mean it is averaged over draws of x too.
    """
    parts = [
        _expected(program, taken, rows, draws) for taken, rows in _chunks(program, args, draws)
    ]
    if len(parts) == 1:
        return parts[0]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _chunks(program: Program, args: tuple, draws: int) -> Iterator[tuple[tuple, Tensor | None]]:
    """The arguments in chunks of rows, and which rows they are; all at once if not independent."""
    latents, total = program.latents, row_count(program, args)
    at_once = max(1, MOST_VALUES_AT_ONCE // (draws * max(1, latents.context)))
    declares = isinstance(program.guide, Family)
    if not (latents.rowwise and latents.row_args and declares) or total <= at_once:
        yield args, None
        return
    for rows in torch.arange(total, device=next(program.parameters()).device).split(at_once):
        yield take_rows(program, args, rows, total), rows


def _moments(program: Program, args: tuple, names: tuple[str, ...]) -> tuple[Sites, Sites] | None:
    """Means and sds of the guide's distributions; None where a draw of one depends on another."""
    family = class_of(program.guide)
    single = issubclass(family, Family) and (family.independent or len(names) == 1)
    if not issubclass(family, Family) or not (family.factorised and single) or family.relaxes:
        return None
    nodes: dict[str, Any] = dict(
        poutine.trace(program.pair.guide).get_trace(*args, **program.kwargs).nodes
    )
    try:
        found = {name: (nodes[name]["fn"].mean, nodes[name]["fn"].stddev) for name in names}
    except NotImplementedError:
        return None
    return {n: mean for n, (mean, _) in found.items()}, {n: sd for n, (_, sd) in found.items()}


def _of_draws(
    program: Program, args: tuple, names: tuple[str, ...], draws: int
) -> tuple[Sites, Sites]:
    sites = program.latents
    raw = draw_latents(program, args, draws)
    drawn = {name: as_numbers(z, sites[name]) for name, z in raw.items()}
    usual = torch.get_default_dtype()
    values = {n: z if z.is_floating_point() else z.to(usual) for n, z in drawn.items()}
    found = {n: _summary(values[n], sites[n].kind) for n in names}
    return {n: mean for n, (mean, _) in found.items()}, {n: sd for n, (_, sd) in found.items()}


def _summary(draws: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of draws (draws, ...), by the distance of their space."""
    if kind is Kind.SPHERE:
        return on_sphere(draws)
    if kind is Kind.HYPERBOLOID:
        return on_hyperboloid(draws)
    return draws.mean(0), draws.std(0)


@torch.no_grad()
def _expected(program: Program, args: tuple, rows: Tensor | None, draws: int) -> Sites:
    """The mean over draws, of one run each, of the means of the observed sites."""
    totals: Sites = {}
    for _ in range(draws):
        with poutine.block(), program.handlers(rows):
            means = _means(program, args)
        if means is None:
            return _simulated(program, args, draws)
        for name, mean in means.items():
            totals[name] = totals.get(name, torch.zeros_like(mean)) + mean / draws
    return totals


def _means(program: Program, args: tuple) -> Sites | None:
    """The means of the observed sites given one draw; None if a distribution has none."""
    pair = program.pair
    guided = poutine.trace(pair.guide).get_trace(*args, **program.kwargs)
    replayed = poutine.trace(poutine.replay(pair.model, trace=guided))
    nodes: dict[str, Any] = dict(replayed.get_trace(*args, **program.kwargs).nodes)
    sites = {name: nodes[name]["fn"] for name in program.latents.observed}
    try:
        return {n: fn.mean.expand(fn.batch_shape + fn.event_shape) for n, fn in sites.items()}
    except NotImplementedError:
        return None


def _simulated(program: Program, args: tuple, draws: int) -> Sites:
    drawn = draw_predictive(program, args, draws)
    usual = torch.get_default_dtype()
    return {n: (x if x.is_floating_point() else x.to(usual)).mean(0) for n, x in drawn.items()}


@torch.no_grad()
def new_rows(program: Program, args: tuple, count: int) -> Sites:
    """So many rows drawn from the model, latents and data: site -> (rows, ...).

    Args:
        program: a trained program in eval mode.
        args: arguments that hold as many rows, of which what is not observed is kept.
        count: number of rows.
    """
    names = (*program.latents.names, *program.latents.observed)
    with poutine.block(), program.handlers(None):
        trace = simulate(program.pair.model, args, program.kwargs)
    nodes: dict[str, Any] = dict(trace.nodes)
    return {name: nodes[name]["value"] for name in names if name in nodes}
