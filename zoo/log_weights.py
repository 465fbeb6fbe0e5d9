"""Log importance weights of a fit by chunks of rows and draws, so that memory stays bounded."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.enumeration import joint_states
from zoo.latents import Family, Latent, device_of
from zoo.program import Program
from zoo.traces import Assign, Pair, run, weigh

BUDGET, NUMBERS = 2**14, 2**22  # weights at once, and values of the data under them


def weight_chunks(program: Program, args: tuple, draws: int) -> Iterator[Tensor]:
    """Log-weights in nats, one chunk of rows after another, each (draws, rows of the chunk).

    A model whose rows share a latent gives one chunk with a single column. Discrete latents that
    the guide leaves out are summed out exactly.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        draws: number of draws from the guide for each row.
    """
    rows = row_count(program, args)
    at_once = max(1, _budget(program) // draws)
    chunk = min(rows, at_once, 512) if program.latents.rowwise else rows
    for start in range(0, rows, chunk):
        picked = torch.arange(start, min(start + chunk, rows), device=device_of(args))
        yield _draw(program, args, picked, rows, draws)


def _budget(program: Program) -> int:
    """How many weights at once: large enough to be quick, small enough to stay in the caches."""
    return min(BUDGET, max(1, NUMBERS // max(1, program.latents.context)))


def row_count(program: Program, args: tuple) -> int:
    """Number of data rows in the arguments; 1 if the model has no rows."""
    return program.latents.rows_given(args) or 1


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
    """
    rows = row_count(program, args)
    chunk = min(rows, 512) if program.latents.rowwise else rows
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
    taken = take_rows(program, args, picked, rows)
    at_once = max(1, min(draws, _budget(program) // len(picked)))
    for start in range(0, draws, at_once):
        count = min(at_once, draws - start)
        with torch.no_grad(), program.handlers(picked if program.latents.row_args else None):
            part = _weights(program.pair, taken, program.kwargs, count)
        yield part  # outside, or the handlers would stay on while the caller goes on


def take_rows(program: Program, args: tuple, picked: Tensor, rows: int) -> tuple:
    """The arguments with only some of their rows."""
    if len(picked) == rows:
        return args
    held = program.latents.row_args
    return tuple(arg[picked] if i in held else arg for i, arg in enumerate(args))  # type: ignore[index]


def _weights(pair: Pair, args: tuple, kwargs: dict, count: int) -> Tensor:
    """Log-weights of `count` draws, (count, rows); terms outside the rows are shared evenly."""
    rowwise = pair.latents.rowwise
    guided = pair.guide.latents.names if isinstance(pair.guide, Family) else pair.latents.names
    left = [site for site in pair.latents.sites if site.name not in guided]
    if left and not guided:  # nothing is random: every draw is the exact evidence
        return _summed_out(pair, left, args, kwargs).expand(count, -1)
    if left:
        return torch.cat([_summed_out(pair, left, args, kwargs) for _ in range(count)])
    weights = weigh(pair.draw(count, args, kwargs), pair.latents, rowwise=rowwise)
    return weights.log_w + weights.outside / weights.log_w.shape[1]


def _summed_out(pair: Pair, left: list[Latent], args: tuple, kwargs: dict) -> Tensor:
    """One draw of the guided latents, with the others summed out of the model: (1, rows)."""
    by_row = all(site.local for site in left)
    with Assign(joint_states(left, pair.latents, device=device_of(args))):
        traces = run(pair.model, pair.guide, args, kwargs)
    weights = weigh([traces], pair.latents, rowwise=by_row)
    log_w = weights.log_w.logsumexp(0, keepdim=True)
    log_w = log_w + weights.outside / log_w.shape[1]
    return log_w if pair.latents.rowwise else log_w.sum(1, keepdim=True)
