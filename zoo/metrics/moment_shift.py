"""How far a guide's means and sds are from those of better draws, coordinate by coordinate.

The better draws are the guide's own draws, reweighted by Pareto-smoothed importance sampling, or
the particles of independent runs of tempered SMC. With m, s the mean and sd of a coordinate under
the guide, and m*, s* under the better draws,

    mean shift = (m - m*) / s*,        sd shift = s / s* - 1.

Importance sampling cannot find a mode in which the guide has no draws; SMC starts from the prior
and can.
Source: Vehtari et al. 2024, "Pareto smoothed importance sampling" (self-normalised estimates and
their delta-method error); Yao et al. 2018, "Yes, but did it work?".
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.metrics.metric import PerRow
from zoo.metrics.pareto import smoothed
from zoo.metrics.posterior import constant, sd_error

MEAN_OFF = 0.2  # posterior sds from which on a mean counts as off
SD_OFF = 0.25  # relative error from which on an sd counts as off
ALL_DISCRETE = "all latents are discrete, and labels have no mean"
NOT_FINITE = "draws of the guide are not finite"
NO_MEANS = "the latents are points of a curved space, where the sd of a coordinate is no distance"


class Shifts(NamedTuple):
    """Shifts of each coordinate of each row and their standard errors, (rows, dimensions) each.

    Attributes:
        mean: mean shift, in sds of the better draws.
        mean_error: its standard error.
        sd: sd shift, relative to the sd of the better draws.
        sd_error: its standard error.

    All are NaN for numbers that do not vary.
    """

    mean: Tensor
    mean_error: Tensor
    sd: Tensor
    sd_error: Tensor


def psis_shifts(z: Tensor, log_w: Tensor) -> Shifts:
    """Shifts of a guide's draws from the same draws with Pareto-smoothed weights.

    Both moments come from the same draws, so their noise is correlated; the standard errors are
    those of the difference.

    Args:
        z: draws from the guide, shape (draws, rows, dimensions).
        log_w: their log-weights, shape (draws, rows).
    """
    draws = len(z)
    w = smoothed(log_w)[0].softmax(0).unsqueeze(-1) * draws
    raw_mean, mean = z.mean(0), (w * z).mean(0)
    raw_square, square = (z - raw_mean).square(), (z - mean).square()
    raw_variance, variance = raw_square.mean(0), (w * square).mean(0)
    sd, ratio = variance.sqrt(), (raw_variance / variance).sqrt()
    of_mean = (z - raw_mean) - w * (z - mean)
    of_sd = (raw_square / raw_variance - 1) / 2 - w * (square / variance - 1) / 2
    root = draws**0.5
    shifts = Shifts(
        (raw_mean - mean) / sd, of_mean.std(0) / sd / root, ratio - 1, ratio * of_sd.std(0) / root
    )
    return _without_fixed(shifts, constant(z))


def run_shifts(z: Tensor, runs: Tensor, log_z: Tensor) -> Shifts:
    """Shifts of a guide's draws from the particles of independent runs.

    Each run has a weight proportional to its estimate of p(x).

    Args:
        z: draws from the guide, shape (draws, rows, dimensions).
        runs: particles, shape (runs, particles, rows, dimensions).
        log_z: each run's estimate of log p(x), nats, shape (runs, rows).
    """
    count, share = len(runs), log_z.softmax(0).unsqueeze(-1)
    mean = (share * runs.mean(1)).sum(0)
    square = (runs - mean).square().mean(1)
    variance = (share * square).sum(0)
    sd, ratio = variance.sqrt(), z.std(0) / variance.sqrt()
    wide = (count / (count - 1)) ** 0.5
    mean_noise = (share * (runs.mean(1) - mean)).norm(dim=0) * wide / sd
    sd_noise = (share * (square / variance - 1) / 2).norm(dim=0) * wide
    own = sd_error(z.flatten(1)).reshape(sd.shape).masked_fill(constant(z), 0.0) / sd
    shifts = Shifts(
        (z.mean(0) - mean) / sd,
        torch.hypot(mean_noise, ratio / len(z) ** 0.5),
        ratio - 1,
        torch.hypot(ratio * sd_noise, own),
    )
    return _without_fixed(shifts, constant(z) & constant(runs.flatten(0, 1)))


def _without_fixed(shifts: Shifts, fixed: Tensor) -> Shifts:
    """The shifts, NaN for numbers that are the same in every draw."""
    return Shifts(*(shift.masked_fill(fixed, torch.nan) for shift in shifts))


def largest(value: Tensor, error: Tensor) -> PerRow:
    """Each row's largest absolute shift and its error; NaN where no coordinate varies."""
    size = value.abs().nan_to_num(nan=-1.0)
    top, at = size.max(-1)
    missing = top < 0
    return top.masked_fill(missing, torch.nan), error.gather(-1, at.unsqueeze(-1)).squeeze(-1)
