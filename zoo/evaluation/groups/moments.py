"""The guide's moments compared with those of its smoothed weights and of SMC from the prior.

Metrics:
    psis_mean_shift: how far smoothed importance weights move a mean at most, in sds.
    psis_sd_shift: by how much smoothed importance weights change an sd at most, as a share of it.
    psis_off_share: share of rows in which weights move a mean or an sd by much.
    smc_mean_shift: how far means are from those of sequential Monte Carlo from the prior.
    smc_sd_shift: how far sds are from those of sequential Monte Carlo from the prior.
    smc_excess: by how much that run finds more evidence than the guide: missed modes.
"""

import torch
from torch import Tensor

from zoo.evaluation.scored_fit import Scored
from zoo.evidence.smc import TemperedSMC
from zoo.metrics.bounds import log_evidence
from zoo.metrics.metric import Metric, joined
from zoo.metrics.moment_shift import (
    ALL_DISCRETE,
    MEAN_OFF,
    NO_MEANS,
    NOT_FINITE,
    SD_OFF,
    Shifts,
    constant,
    largest,
    psis_shifts,
    run_shifts,
)
from zoo.metrics.shares import share
from zoo.sampling.draws import draw, draw_summed, draw_weighted, first_rows, join_runs
from zoo.sampling.importance_weights import row_count, some_rows
from zoo.sampling.joint_density import JointDensity
from zoo.sampling.weighable import require_prior
from zoo.sites.supports import SUMMED, Kind

PSIS_ROWS = 50  # where rows have latents of their own
SMC_ROWS = 20  # where rows have latents of their own
SMC_RUNS = 16
FEWEST_PARTICLES = 32  # in a run
MOST_PARTICLES = 128  # in a run
MOST_TEMPERATURES = 60
MOST_DIMENSIONS = 30  # in more, SMC from the prior is not reliable with so few particles
MOST_SMC_WORK = 2**21  # particles of all runs times values of the data
MOST_VALUES_AT_ONCE = 2**22  # draws times values of the data
MOST_SUMMED_DRAWS = 1000  # they are made one by one where the guide leaves latents out


def from_weights(scored: Scored) -> dict[str, Metric]:
    """The metrics "psis_mean_shift", "psis_sd_shift" and, if there are rows, "psis_off_share".

    The shifts are the largest over coordinates, and where there are rows, those of the median row.
    The share is that of rows in which a mean is off by more than 0.2 sds or an sd by more than
    25 %, beyond two standard errors.

    Raises:
        ValueError: if no latent that the guide draws is continuous, all draws are equal, or some
            are not finite.
    """
    scored.require_draws(of_all=False)
    names, (latents, log_w) = _names(scored), _weighted(scored)
    columns = log_w.shape[1]
    z = _finite(_numbers(latents, names, columns))
    if constant(z).all():
        raise ValueError("the guide's draws are a single point, which no weights can move")
    shifts = psis_shifts(z, log_w)
    note = scored.first(PSIS_ROWS) if scored.rowwise else _where(shifts)
    metrics = _summarised(shifts, joined(scored.note, note))
    named = {f"psis_{name}_shift": metric for name, metric in metrics.items()}
    if not scored.rowwise:
        return named
    return named | {"psis_off_share": share(_off(shifts), better="lower", note=note)}


def from_prior(scored: Scored) -> dict[str, Metric]:
    """The metrics "smc_mean_shift", "smc_sd_shift" and "smc_excess".

    The excess is log p(x) by SMC minus log p(x) by the guide's weights. Particles start from the
    prior, so they may find a mode that the guide misses. For a guide with a point mass, which has
    no weights, only the shifts are computed.

    Raises:
        ValueError: where SMC cannot be run, or would take long; then ask for "smc" or "ais". Or if
            draws of the guide are not finite.
    """
    scored.require_draws(of_all=False)
    names, rows = _names(scored), SMC_ROWS if scored.rowwise else None
    args = first_rows(scored.program, scored.args, rows)
    require_prior(scored.program, *some_rows(scored.program, args))
    density = JointDensity(scored.program, args)
    sampler = TemperedSMC(_particles(density), SMC_RUNS, most=MOST_TEMPERATURES)
    found = sampler.run(density)
    values = density.values(found.u)
    z = _finite(_numbers(draw(scored.program, args, scored.draws).latents, names, density.rows))
    runs = _numbers(values, names, density.rows).unflatten(0, (SMC_RUNS, -1))
    shifts = run_shifts(z, runs, found.log_z)
    note = f"{SMC_RUNS} runs of {sampler.particles} particles from the prior"
    note = joined(note, scored.first(SMC_ROWS))
    metrics = _summarised(shifts, joined(scored.note, note))
    named = {f"smc_{name}_shift": metric for name, metric in metrics.items()}
    if (constant(z) & (shifts.sd < -0.5)).any():
        return named  # a point mass has no density, and so no weights to compare with
    return named | {"smc_excess": _excess(scored, args, found.log_z, note)}


def _excess(scored: Scored, args: tuple, log_z: Tensor, note: str) -> Metric:
    """Log p(x) by the runs minus log p(x) by the guide's weights, mean over rows."""
    count = min(scored.draws, MOST_SUMMED_DRAWS)
    weighted = draw_summed if scored.program.pair.left else draw_weighted
    log_w = weighted(scored.program, args, count).log_w
    (ours, our_error), (theirs, their_error) = log_evidence(log_w), log_evidence(log_z)
    noise = torch.hypot(our_error, their_error).norm() / len(ours)
    unit = "nats/row" if scored.rowwise else "nats"
    return Metric(float((theirs - ours).mean()), float(noise), unit, "lower", note)


def _particles(density: JointDensity) -> int:
    """Number of particles in a run: as many as can be run in seconds.

    Raises:
        ValueError: if these are too few, or the model does not broadcast over them.
    """
    if not density.latents.vectorises:
        raise ValueError("the model does not broadcast over particles, which would take long")
    if not 0 < density.size <= MOST_DIMENSIONS:
        raise ValueError(
            f"Expected 1 to {MOST_DIMENSIONS} continuous numbers to move; got {density.size}. "
            "Ask for 'smc' or 'ais', and give them time"
        )
    numbers = sum(arg.numel() for arg in density.args if isinstance(arg, Tensor))
    each = density.states * max(1, numbers, density.rows * density.size)
    count = MOST_SMC_WORK // (SMC_RUNS * each)
    if count < FEWEST_PARTICLES:
        raise ValueError(f"{numbers} values of data take long; ask for 'smc' or 'ais'")
    return min(MOST_PARTICLES, count)


def _weighted(scored: Scored) -> tuple[dict[str, Tensor], Tensor]:
    """The guide's draws and their log-weights, made in chunks that fit into memory."""
    rows = PSIS_ROWS if scored.rowwise else None
    if scored.program.pair.left:
        count = min(scored.draws, MOST_SUMMED_DRAWS)
        return draw_summed(scored.program, scored.args, count, rows=rows)
    taken = first_rows(scored.program, scored.args, rows)
    numbers = sum(arg.numel() for arg in taken if isinstance(arg, Tensor))
    at_once = max(1, MOST_VALUES_AT_ONCE // max(1, numbers, row_count(scored.program, taken)))
    counts = [min(at_once, scored.draws - i) for i in range(0, scored.draws, at_once)]
    parts = [draw_weighted(scored.program, taken, count) for count in counts]
    found = join_runs(parts)
    return found.latents, found.log_w


def _names(scored: Scored) -> list[str]:
    """Names of the continuous latents that the guide draws.

    Labels have no mean, and points of a sphere or of hyperbolic space lie on a surface, where the
    sd of a coordinate is no unit of distance.

    Raises:
        ValueError: if there are none.
    """
    sites = scored.program.latents.sites
    left = {site.name for site in scored.program.pair.left}
    drawn = [site for site in sites if site.name not in left]
    names = [site.name for site in drawn if site.kind is Kind.CONTINUOUS]
    if not names:
        labels = all(site.kind in SUMMED for site in drawn)
        raise ValueError(ALL_DISCRETE if labels else NO_MEANS)
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


def _finite(z: Tensor) -> Tensor:
    """The draws, (draws, columns, dimensions), unless every column has one that is not finite.

    Raises:
        ValueError: if so.
    """
    if not z.isfinite().all(-1).all(0).any():
        raise ValueError(NOT_FINITE)
    return z


def _where(shifts: Shifts) -> str:
    """A note on which coordinate has the largest mean shift, counted from 0."""
    at = int(shifts.mean[0].abs().nan_to_num(nan=-1.0).argmax())
    return f"largest mean shift at coordinate {at} of {shifts.mean.shape[1]}"


def _summarised(shifts: Shifts, note: str) -> dict[str, Metric]:
    """The largest shift over coordinates, of the median row if there are several."""
    found = {}
    for name, (value, error), unit in (
        ("mean", largest(shifts.mean, shifts.mean_error), "posterior sd"),
        ("sd", largest(shifts.sd, shifts.sd_error), "of the posterior sd"),
    ):
        at = int(value.nan_to_num(nan=float("inf")).kthvalue((len(value) + 1) // 2).indices)
        found[name] = Metric(float(value[at]), float(error[at]), unit, "lower", note)
    return found


def _off(shifts: Shifts) -> Tensor:
    """Marks rows in which a coordinate is off, beyond two standard errors."""
    means = shifts.mean.abs() - 2 * shifts.mean_error > MEAN_OFF
    sds = shifts.sd.abs() - 2 * shifts.sd_error > SD_OFF
    return (means | sds).any(-1)
