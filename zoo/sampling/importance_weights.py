"""Log importance weights of a fit, in chunks of rows and draws so that memory stays bounded."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from zoo.device import device_of
from zoo.latents import Family
from zoo.latents.enumeration import joint_states
from zoo.objectives.contraction import contracted
from zoo.program import Program
from zoo.sampling.energy import log_z_of
from zoo.sampling.weighable import require_density, require_weights
from zoo.traces import Assign, Pair, run, weigh

ROWS_AT_ONCE = 512
FOREIGN_ROWS_AT_ONCE = 4096  # of a guide that is not a Family, which may need all rows at once
MOST_WEIGHTS_AT_ONCE = 2**14
MOST_VALUES_AT_ONCE = 2**22  # weights times values of the data that each of them reads
COMPILED_FROM = 2**31  # such values in all, a quarter of a minute, for which weights are compiled

Draw = Callable[..., Tensor]


def weight_chunks(program: Program, args: tuple, draws: int) -> Iterator[Tensor]:
    """Log-weights in nats, one chunk of rows after another, each (draws, rows of the chunk).

    A model whose rows share a latent gives one chunk with a single column. Discrete latents that
    the guide leaves out are summed out exactly.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        draws: number of draws from the guide for each row.

    Raises:
        ValueError: where importance weights are not defined; see :mod:`zoo.sampling.weighable`.
    """
    require_weights(program, *some_rows(program, args))
    yield from bound_chunks(program, args, draws)


def bound_chunks(program: Program, args: tuple, draws: int) -> Iterator[Tensor]:
    """Log-weights whose mean is a bound, though single weights may be estimates.

    They are those of :func:`weight_chunks`, and are also given for a model that subsamples one of
    its plates: each draw then has another subsample, which all rows of a chunk share.

    Raises:
        ValueError: where log q is not a density; see :mod:`zoo.sampling.weighable`.
    """
    require_density(program, *some_rows(program, args))
    rows = row_count(program, args)
    at_once = max(1, _budget(program) // draws)
    chunk = rows if _whole(program, rows) else min(rows, at_once, ROWS_AT_ONCE)
    weigher, constant = _Weigher(program, args, draws), _constant(program, args)
    for picked in torch.arange(rows, device=device_of(args)).split(chunk):
        yield torch.cat(list(weigher.parts(picked, draws))) - constant


def some_rows(program: Program, args: tuple) -> tuple[tuple, Tensor | None]:
    """Some rows on which the pair can be examined, and their indices; all if not independent."""
    rows = row_count(program, args)
    if _whole(program, rows) or not program.latents.row_args:
        return args, None
    picked = torch.arange(min(rows, ROWS_AT_ONCE), device=device_of(args))
    return take_rows(program, args, picked, rows), picked


def _constant(program: Program, args: tuple) -> float:
    """What the model's log p leaves out: log Z where it has an energy, else 0; nats."""
    return log_z_of(program, *some_rows(program, args)).value


def _whole(program: Program, rows: int) -> bool:
    """Must all rows be scored at once?

    They must where they share a latent, and where the guide is not a Family, since it may then
    have parameters for each row; of such a guide only many rows are split nevertheless.
    """
    declares = isinstance(program.guide, Family)
    return not program.latents.rowwise or not (declares or rows > FOREIGN_ROWS_AT_ONCE)


def _budget(program: Program) -> int:
    """How many weights to compute at once: enough to be fast, few enough for the CPU's caches."""
    return min(
        MOST_WEIGHTS_AT_ONCE, max(1, MOST_VALUES_AT_ONCE // max(1, program.latents.context))
    )


def row_count(program: Program, args: tuple) -> int:
    """Number of data rows in the arguments; 1 if the model has no rows."""
    return program.latents.rows_given(args) or 1


def independent_rows(program: Program, args: tuple) -> int:
    """Number of data rows that have an importance weight each.

    1 where rows share a latent, or there are none. The rows may be arguments or held by the model.
    """
    latents = program.latents
    if not latents.rowwise or latents.row_plate is None:
        return 1
    return latents.rows_given(args) or latents.row_plate.size


def log_mean_weights(
    program: Program, args: tuple, particles: int, groups: int
) -> Iterator[Tensor]:
    """Logs of the mean of `particles` weights, nats, each (groups, rows of the chunk).

    The weights are summed as they are drawn, so that memory does not grow with their number.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, on its device.
        particles: number of weights in a mean.
        groups: number of independent means for each row.

    Raises:
        ValueError: where importance weights are not defined; see :mod:`zoo.sampling.weighable`.
    """
    require_weights(program, *some_rows(program, args))
    rows = row_count(program, args)
    chunk = rows if _whole(program, rows) else min(rows, ROWS_AT_ONCE)
    weigher, constant = _Weigher(program, args, groups * particles), _constant(program, args)
    for picked in torch.arange(rows, device=device_of(args)).split(chunk):
        sums = [_log_sum(weigher.parts(picked, particles)) for _ in range(groups)]
        yield torch.stack(sums) - math.log(particles) - constant


def _log_sum(parts: Iterator[Tensor]) -> Tensor:
    total = next(parts).logsumexp(0)
    for part in parts:
        total = torch.logaddexp(total, part.logsumexp(0))
    return total


class _Weigher:
    """Draws log-weights: by machine code, where so many are wanted that compiling it pays.

    Args:
        program: a trained program in eval mode.
        args: arguments of the model, all rows.
        draws: number of draws for each row that are going to be asked for.
    """

    def __init__(self, program: Program, args: tuple, draws: int) -> None:
        self.program, self.args, self.total = program, args, independent_rows(program, args)
        self.rows = row_count(program, args)
        values = draws * self.rows * program.latents.context
        self.compiles = values >= COMPILED_FROM and _broadcasts_on_cpu(program, args)
        self.code: tuple[tuple[int, int], Draw | None] | None = None

    def parts(self, picked: Tensor, draws: int) -> Iterator[Tensor]:
        """The log-weights of some rows, in chunks of draws that respect the budget."""
        latents = self.program.latents
        held = len(picked) if latents.row_args else self.total
        at_once = max(1, min(draws, _budget(self.program) // held))
        if latents.drawn_plates:
            at_once = 1  # draws made in one run would share the model's subsample
        for start in range(0, draws, at_once):
            count = min(at_once, draws - start)
            yield self._draw(picked, count)

    def _draw(self, picked: Tensor, count: int) -> Tensor:
        plain = _Draw(self.program, count, self.total)
        draw = self._compiled(plain, picked, count) if self.compiles else plain
        return draw(picked, *take_rows(self.program, self.args, picked, self.rows))

    def _compiled(self, draw: nn.Module, picked: Tensor, count: int) -> Draw:
        """The machine code, which is made once, where rows and draws are as many as then."""
        from zoo.compile.drawing import compiled_draw  # brings torch's compiler along

        shape = len(picked), count
        if self.code is None:
            last = torch.arange(self.rows - len(picked), self.rows)
            rows = [take_rows(self.program, self.args, p, self.rows) for p in (picked, last)]
            self.code = shape, compiled_draw(draw, (picked, *rows[0]), (last, *rows[1]))
        compiled_for, code = self.code
        return draw if code is None or shape != compiled_for else code


def _broadcasts_on_cpu(program: Program, args: tuple) -> bool:
    """Are the weights of many draws one broadcast computation, on rows in the CPU's memory?"""
    latents, device = program.latents, device_of(args)
    whole = latents.vectorises and not latents.drawn_plates and not program.pair.left
    tensors = all(isinstance(arg, Tensor) for arg in args)
    return whole and tensors and bool(latents.row_args) and device == torch.device("cpu")


class _Draw(nn.Module):
    """Fresh log-weights in nats, (count, rows), from the numbers of some rows and the rows."""

    def __init__(self, program: Program, count: int, total: int) -> None:
        super().__init__()
        self.program, self.count, self.total = program, count, total

    @torch.no_grad()
    def forward(self, picked: Tensor, *rows: object) -> Tensor:
        program = self.program
        with program.handlers(picked if program.latents.row_args else None):
            return _weights(program.pair, rows, program.kwargs, self.count, self.total)


def take_rows(program: Program, args: tuple, picked: Tensor, rows: int) -> tuple:
    """The arguments with only some of their rows."""
    if len(picked) == rows:
        return args
    held = program.latents.row_args
    return tuple(arg[picked] if i in held else arg for i, arg in enumerate(args))  # type: ignore[index]


def _weights(pair: Pair, args: tuple, kwargs: dict, count: int, total: int) -> Tensor:
    """Log-weights of `count` draws, (count, rows).

    Terms outside of the row plate are divided evenly between the `total` rows.
    """
    rowwise = pair.latents.rowwise
    if pair.left and not pair.guided:  # nothing is random: every weight is the exact evidence
        return summed_out(pair, args, kwargs, total).expand(count, -1)
    if pair.left:
        return torch.cat([summed_out(pair, args, kwargs, total) for _ in range(count)])
    weights = weigh(pair.draw(count, args, kwargs), pair.latents, rowwise=rowwise)
    return weights.log_w + weights.outside / total


def summed_out(pair: Pair, args: tuple, kwargs: dict, total: int) -> Tensor:
    """Log-weight of one draw of the guided latents, the others summed out exactly: (1, rows).

    The sum is over all joint states side by side, or by tensor contraction: where the model is
    marked for enumeration, where some of the latents are shared by rows and others are not, and
    where there are too many states.

    Args:
        pair: the model and the guide.
        args: arguments of both.
        kwargs: their keyword arguments.
        total: number of all rows, between which the terms outside of the row plate are divided.

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
