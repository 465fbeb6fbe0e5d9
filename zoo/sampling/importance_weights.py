"""Log importance weights of a fit by chunks of rows and draws, so that memory stays bounded."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.device import device_of
from zoo.latents import Family
from zoo.latents.enumeration import joint_states
from zoo.objectives.contraction import contracted
from zoo.program import Program
from zoo.sampling.weighable import require_density, require_weights
from zoo.traces import Assign, Pair, run, weigh

SOME = 512  # rows
UNKNOWN = 4096  # rows of a guide that declares nothing, held together
MOST_WEIGHTS_AT_ONCE = 2**14
MOST_VALUES_AT_ONCE = 2**22  # of the data, under all those weights


def weight_chunks(program: Program, args: tuple, draws: int) -> Iterator[Tensor]:
    """Log-weights in nats, one chunk of rows after another, each (draws, rows of the chunk).

    A model whose rows share a latent gives one chunk with a single column. Discrete latents that
    the guide leaves out are summed out exactly.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        draws: number of draws from the guide for each row.

    Raises:
        ValueError: where such weights mean nothing; see :mod:`zoo.sampling.weighable`.
    """
    require_weights(program, *some_rows(program, args))
    yield from bound_chunks(program, args, draws)


def bound_chunks(program: Program, args: tuple, draws: int) -> Iterator[Tensor]:
    """The same for their mean alone, which is a bound also where the model draws its terms.

    A model that holds a part of a plate at a time holds another part in every draw, which all
    rows of a chunk share. See :func:`weight_chunks`.

    Raises:
        ValueError: where log q is no density; see :mod:`zoo.sampling.weighable`.
    """
    require_density(program, *some_rows(program, args))
    rows = row_count(program, args)
    at_once = max(1, _budget(program) // draws)
    chunk = rows if _whole(program, rows) else min(rows, at_once, 512)
    for start in range(0, rows, chunk):
        picked = torch.arange(start, min(start + chunk, rows), device=device_of(args))
        yield _draw(program, args, picked, rows, draws)


def some_rows(program: Program, args: tuple) -> tuple[tuple, Tensor | None]:
    """Enough rows to see how the pair is made, and which those are; all if not independent."""
    rows = row_count(program, args)
    if _whole(program, rows) or not program.latents.row_args:
        return args, None
    picked = torch.arange(min(rows, SOME), device=device_of(args))
    return take_rows(program, args, picked, rows), picked


def _whole(program: Program, rows: int) -> bool:
    """Are rows to stay together: they share a latent, or a guide may have parameters for each?"""
    declares = isinstance(program.guide, Family)
    return not program.latents.rowwise or not (declares or rows > UNKNOWN)


def _budget(program: Program) -> int:
    """How many weights at once: large enough to be quick, small enough to stay in the caches."""
    return min(
        MOST_WEIGHTS_AT_ONCE, max(1, MOST_VALUES_AT_ONCE // max(1, program.latents.context))
    )


def row_count(program: Program, args: tuple) -> int:
    """Number of data rows in the arguments; 1 if the model has no rows."""
    return program.latents.rows_given(args) or 1


def independent_rows(program: Program, args: tuple) -> int:
    """Number of data rows with a weight of their own, wherever they come from.

    1 where rows share a latent, or there are none.
    """
    latents = program.latents
    if not latents.rowwise or latents.row_plate is None:
        return 1
    return latents.rows_given(args) or latents.row_plate.size


def log_mean_weights(
    program: Program, args: tuple, particles: int, groups: int
) -> Iterator[Tensor]:
    """Logs of the mean of `particles` weights, nats, each (groups, rows of the chunk).

    The weights themselves are added up as they are drawn, so that memory does not grow with them.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        particles: weights in a mean.
        groups: independent means for each row.

    Raises:
        ValueError: where such weights mean nothing; see :mod:`zoo.sampling.weighable`.
    """
    require_weights(program, *some_rows(program, args))
    rows = row_count(program, args)
    chunk = rows if _whole(program, rows) else min(rows, 512)
    for picked in torch.arange(rows, device=device_of(args)).split(chunk):
        sums = [_log_sum(program, args, picked, rows, particles) for _ in range(groups)]
        yield torch.stack(sums) - math.log(particles)


def _log_sum(program: Program, args: tuple, picked: Tensor, rows: int, draws: int) -> Tensor:
    parts = _parts(program, args, picked, rows, draws)
    total = next(parts).logsumexp(0)
    for part in parts:
        total = torch.logaddexp(total, part.logsumexp(0))
    return total


def _draw(program: Program, args: tuple, picked: Tensor, rows: int, draws: int) -> Tensor:
    return torch.cat(list(_parts(program, args, picked, rows, draws)))


def _parts(
    program: Program, args: tuple, picked: Tensor, rows: int, draws: int
) -> Iterator[Tensor]:
    """The log-weights of some rows, so many draws at once as the budget allows."""
    taken, total = take_rows(program, args, picked, rows), independent_rows(program, args)
    held = len(picked) if program.latents.row_args else total
    at_once = max(1, min(draws, _budget(program) // held))
    if program.latents.drawn_plates:
        at_once = 1  # draws of one run would share what the model holds of those plates
    for start in range(0, draws, at_once):
        count = min(at_once, draws - start)
        with torch.no_grad(), program.handlers(picked if program.latents.row_args else None):
            part = _weights(program.pair, taken, program.kwargs, count, total)
        yield part  # outside, or the handlers would stay on while the caller goes on


def take_rows(program: Program, args: tuple, picked: Tensor, rows: int) -> tuple:
    """The arguments with only some of their rows."""
    if len(picked) == rows:
        return args
    held = program.latents.row_args
    return tuple(arg[picked] if i in held else arg for i, arg in enumerate(args))  # type: ignore[index]


def _weights(pair: Pair, args: tuple, kwargs: dict, count: int, total: int) -> Tensor:
    """Log-weights of `count` draws, (count, rows); all `total` rows share the terms outside."""
    rowwise = pair.latents.rowwise
    if pair.left and not pair.guided:  # nothing is random: every draw is the exact evidence
        return summed_out(pair, args, kwargs, total).expand(count, -1)
    if pair.left:
        return torch.cat([summed_out(pair, args, kwargs, total) for _ in range(count)])
    weights = weigh(pair.draw(count, args, kwargs), pair.latents, rowwise=rowwise)
    return weights.log_w + weights.outside / total


def summed_out(pair: Pair, args: tuple, kwargs: dict, total: int) -> Tensor:
    """One draw of the guided latents, with the others summed out of the model: (1, rows).

    All joint states side by side where they are few and of one level; by contraction where the
    model is marked for it, or some are shared by rows and some are not, or they are too many.

    Args:
        pair: the model and the guide.
        args: arguments of both.
        kwargs: their keyword arguments.
        total: number of all rows, which share what lies outside of them.

    Raises:
        ValueError: if the model does not broadcast over the states.
    """
    left = pair.left
    by_row = all(site.local for site in left)
    if pair.marked or not (by_row or all(not site.local for site in left)):
        return contracted(pair, args, kwargs, total)
    try:
        states = joint_states(left, pair.latents, device=device_of(args))
    except ValueError:  # too many
        return contracted(pair, args, kwargs, total)
    try:
        with Assign(states):
            traces = run(pair.model, pair.guide, args, kwargs)
    except (RuntimeError, IndexError, TypeError) as error:
        raise ValueError(
            f"Summing out {[site.name for site in left]} takes a model that broadcasts over "
            f"their values; this one raised: {error} Sample them in the guide."
        ) from error
    weights = weigh([traces], pair.latents, rowwise=by_row)
    log_w = weights.log_w.logsumexp(0, keepdim=True)
    if pair.latents.rowwise:
        return log_w + weights.outside / total
    return log_w.sum(1, keepdim=True) + weights.outside
