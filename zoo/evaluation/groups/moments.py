"""The guide's moments against those of better draws: smoothed weights, and SMC from the prior."""

import torch
from torch import Tensor

from zoo.evaluation.scored_fit import Scored
from zoo.evidence.estimator import joined
from zoo.evidence.smc import TemperedSMC
from zoo.latents import Kind
from zoo.metrics.bounds import log_evidence
from zoo.metrics.metric import Metric
from zoo.metrics.moment_shift import (
    LABELS,
    MEAN_OFF,
    SD_OFF,
    Shifts,
    constant,
    largest,
    psis_shifts,
    run_shifts,
)
from zoo.metrics.shares import share_error
from zoo.sampling.draws import draw, draw_summed, draw_weighted, first_rows, together
from zoo.sampling.importance_weights import row_count
from zoo.sampling.joint_density import JointDensity

ROWS, RUN_ROWS = 50, 20  # rows with latents of their own that are looked at
AT_ONCE = 2**22  # values of the data under draws made at once
RUNS, FEWEST, MOST, TEMPERATURES = 16, 32, 128, 60
WORK = 2**21  # values of the data under all particles
SUMMED = 1000  # draws, one after another, of a guide that leaves latents to a sum
DIMENSIONS = 30  # unconstrained numbers that particles from the prior can be trusted with


def from_weights(scored: Scored) -> dict[str, Metric]:
    """Gives "psis_mean_shift", "psis_sd_shift" and, over rows, "psis_off_share".

    The shifts are the largest over coordinates; over rows they are those of the median row, and
    the share is that of rows with a mean off by more than 0.2 sd or an sd by more than 25 %,
    beyond two standard errors.

    Raises:
        ValueError: if all that the guide draws is discrete, or its draws are one point.
    """
    scored.require_draws(of_all=False)
    names, (latents, log_w) = _names(scored), _weighted(scored)
    columns = log_w.shape[1]
    z = _numbers(latents, names, columns)
    if constant(z).all():
        raise ValueError("the guide's draws are a single point, which no weights can move")
    shifts = psis_shifts(z, log_w)
    note = f"first {columns} rows" if scored.rowwise else _where(shifts)
    metrics = _summarised(shifts, joined(scored.note, note))
    named = {f"psis_{name}_shift": metric for name, metric in metrics.items()}
    if not scored.rowwise:
        return named
    share = float(_off(shifts).double().mean())
    error = share_error(share, columns)
    return named | {"psis_off_share": Metric(share, error, "of rows", "lower", note)}


def from_prior(scored: Scored) -> dict[str, Metric]:
    """Gives "smc_mean_shift", "smc_sd_shift" and "smc_excess", log p(x) beyond the weights'.

    Particles start from the prior, so they may find a mode that the guide never goes to. Of a
    guide with a point mass only the shifts are given.

    Raises:
        ValueError: where they cannot be run, or would take long: then ask for "smc" or "ais".
    """
    scored.require_draws(of_all=False)
    names, rows = _names(scored), RUN_ROWS if scored.rowwise else None
    args = first_rows(scored.program, scored.args, rows)
    density = JointDensity(scored.program, args)
    sampler = TemperedSMC(_particles(density), RUNS, most=TEMPERATURES)
    found = sampler.run(density)
    values = density.values(found.u)
    z = _numbers(draw(scored.program, args, scored.draws).latents, names, density.rows)
    runs = _numbers(values, names, density.rows).unflatten(0, (RUNS, -1))
    shifts = run_shifts(z, runs, found.log_z)
    note = f"{RUNS} runs of {sampler.particles} particles from the prior"
    note = joined(note, f"first {density.rows} rows" if scored.rowwise else "")
    metrics = _summarised(shifts, joined(scored.note, note))
    named = {f"smc_{name}_shift": metric for name, metric in metrics.items()}
    if (constant(z) & (shifts.sd < -0.5)).any():
        return named  # a point mass has no density, and so no evidence to compare
    return named | {"smc_excess": _excess(scored, args, found.log_z, note)}


def _excess(scored: Scored, args: tuple, log_z: Tensor, note: str) -> Metric:
    """How far the evidence of the runs lies above that of the guide's weights, mean over rows."""
    count = min(scored.draws, SUMMED)
    weighted = draw_summed if scored.program.pair.left else draw_weighted
    log_w = weighted(scored.program, args, count).log_w
    (ours, our_error), (theirs, their_error) = log_evidence(log_w), log_evidence(log_z)
    noise = torch.hypot(our_error, their_error).norm() / len(ours)
    unit = "nats/row" if scored.rowwise else "nats"
    return Metric(float((theirs - ours).mean()), float(noise), unit, "lower", note)


def _particles(density: JointDensity) -> int:
    """Particles in a run: as many as go quickly.

    Raises:
        ValueError: if too few do, or the model does not broadcast over them.
    """
    if not density.latents.vectorises:
        raise ValueError("the model does not broadcast over particles, which would take long")
    if not 0 < density.size <= DIMENSIONS:
        raise ValueError(
            f"Expected 1 to {DIMENSIONS} continuous numbers to move; got {density.size}. "
            "Ask for 'smc' or 'ais', and give them time"
        )
    numbers = sum(arg.numel() for arg in density.args if isinstance(arg, Tensor))
    each = density.states * max(1, numbers, density.rows * density.size)
    count = WORK // (RUNS * each)
    if count < FEWEST:
        raise ValueError(f"{numbers} values of data take long; ask for 'smc' or 'ais'")
    return min(MOST, count)


def _weighted(scored: Scored) -> tuple[dict[str, Tensor], Tensor]:
    """The guide's draws and their log-weights, so many at once as memory allows."""
    rows = ROWS if scored.rowwise else None
    if scored.program.pair.left:
        count = min(scored.draws, SUMMED)
        return draw_summed(scored.program, scored.args, count, rows=rows)
    taken = first_rows(scored.program, scored.args, rows)
    numbers = sum(arg.numel() for arg in taken if isinstance(arg, Tensor))
    at_once = max(1, AT_ONCE // max(1, numbers, row_count(scored.program, taken)))
    counts = [min(at_once, scored.draws - i) for i in range(0, scored.draws, at_once)]
    parts = [draw_weighted(scored.program, taken, count) for count in counts]
    found = together(parts)
    return found.latents, found.log_w


def _names(scored: Scored) -> list[str]:
    """The latents of the guide that have means: labels have none.

    Raises:
        ValueError: if there are none.
    """
    sites = scored.program.latents.sites
    left = {site.name for site in scored.program.pair.left}
    drawn = [site for site in sites if site.name not in left]
    names = [site.name for site in drawn if site.kind is not Kind.DISCRETE]
    if not names:
        raise ValueError(LABELS)
    return names


def _numbers(values: dict[str, Tensor], names: list[str], columns: int) -> Tensor:
    """The sites side by side, shape (draws, columns, dimensions).

    Raises:
        ValueError: for a site that is not drawn in every run.
    """
    seldom = [name for name in names if name not in values]
    if seldom:
        raise ValueError(f"'{seldom[0]}' is not drawn in every run, and has no moments")
    parts = [values[name].reshape(len(values[name]), columns, -1) for name in names]
    return torch.cat(parts, dim=-1).double()


def _where(shifts: Shifts) -> str:
    """Which coordinate's mean moves most, counted from 0."""
    at = int(shifts.mean[0].abs().nan_to_num(nan=-1.0).argmax())
    return f"largest mean shift at coordinate {at} of {shifts.mean.shape[1]}"


def _summarised(shifts: Shifts, note: str) -> dict[str, Metric]:
    """The largest shift of the single row, or of the median one."""
    found = {}
    for name, (value, error), unit in (
        ("mean", largest(shifts.mean, shifts.mean_error), "posterior sd"),
        ("sd", largest(shifts.sd, shifts.sd_error), "of the posterior sd"),
    ):
        at = int(value.nan_to_num(nan=float("inf")).kthvalue((len(value) + 1) // 2).indices)
        found[name] = Metric(float(value[at]), float(error[at]), unit, "lower", note)
    return found


def _off(shifts: Shifts) -> Tensor:
    """Rows of which a coordinate is off, beyond two standard errors."""
    means = shifts.mean.abs() - 2 * shifts.mean_error > MEAN_OFF
    sds = shifts.sd.abs() - 2 * shifts.sd_error > SD_OFF
    return (means | sds).any(-1)
