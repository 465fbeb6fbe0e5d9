"""Tests of bias: is the mean of many gradient estimates the exact gradient?

A gradient has thousands of correlated coordinates, so a test may not treat them as independent.
They are projected on a few random directions, which a seed fixes before any gradient is drawn. The
block means of the projections are close to normal, so Hotelling's T^2 = B d' S^{-1} d follows an F
distribution:

    T^2 (B - k) / ( k (B - 1) ) ~ F(k, B - k)       for B blocks and k directions.

The coordinates are first divided by their standard deviation in the first block, which is then
left out of the test. The p-value of the largest z-score is corrected for the number of
coordinates.

Source: Hotelling 1931, "The generalization of Student's ratio"; Lopes, Jacob & Wainwright 2011, "A
more powerful two-sample test in high dimensions using random projection".
"""

import math
from dataclasses import dataclass

import torch
from scipy.special import fdtrc, stdtr
from torch import Tensor

from zoo.gradients.moments import ROUNDING, Moments

DIRECTIONS = 10
SMALLEST_SPREAD = 0.05  # of the mean one; smaller sds count as this one
MISSED_EVENT = math.log(1e6)  # n draws miss an event of probability this / n once in 1e6 times
SMALLEST = 1e-300  # in place of 0 in a denominator
ROUNDING_OF_SUMS = 16  # times the rounding error of a coordinate
RELATIVE_RANK = 1e-12  # eigenvalues of a covariance below this count as 0


@dataclass(frozen=True)
class Reference:
    """The gradient with which the mean of an estimator is compared.

    Attributes:
        gradient: nats per unit, float64, shape (parameters,); NaN where it is not known.
        moments: of the draws whose mean it is; None where it is exact.
        says: how it was computed, for a table.
    """

    gradient: Tensor
    moments: Moments | None
    says: str


@dataclass(frozen=True)
class Bias:
    """The bias of an estimator and the tests of it.

    Attributes:
        p_value: of Hotelling's test that the bias is 0, by random projections.
        max_z: z-score of the coordinate that is farthest from the reference.
        max_z_p_value: its p-value, corrected for the number of coordinates.
        coordinate: index of that coordinate.
        norm: Euclidean norm of the bias, corrected for the noise of the draws; nats per unit.
        se: standard error of the norm.
        relative: norm over that of the reference gradient.
        relative_se: its standard error.
    """

    p_value: float
    max_z: float
    max_z_p_value: float
    coordinate: int
    norm: float
    se: float
    relative: float
    relative_se: float


def bias(found: Moments, reference: Reference, *, seed: int = 0) -> Bias:
    """The bias of a mean gradient, over the coordinates whose reference is known.

    Args:
        found: moments of the estimator's gradients.
        reference: the gradient that they should have as their mean.
        seed: of the random directions.
    """
    columns = reference.gradient.isfinite().nonzero().flatten()
    exact = reference.gradient[columns]
    error = found.means[:, columns] - exact
    variance, of_reference = found.variance[columns] / found.draws, None
    if reference.moments is not None:
        of_reference = reference.moments.means[:, columns] - exact
        variance = variance + reference.moments.variance[columns] / reference.moments.draws
    still = is_still(found, reference)[columns]
    z = torch.where(still, 0.0, error.mean(0) / variance.sqrt().clamp(min=SMALLEST))
    largest = int(z.abs().argmax())
    directions = random_directions(found.first[columns], ~still, seed=seed)
    p_value = hotelling(
        error[1:] @ directions, None if of_reference is None else of_reference @ directions
    )
    if not _still_ones_agree(found, error.mean(0)[still], exact):
        p_value = 0.0
    norm, se = length(error, of_reference)
    scale = max(float(exact.norm()), SMALLEST)
    return Bias(
        p_value=p_value,
        max_z=float(z[largest]),
        max_z_p_value=sidak(float(z[largest]), int((~still).sum()), found.draws),
        coordinate=int(columns[largest]),
        norm=norm,
        se=se,
        relative=norm / scale,
        relative_se=se / scale,
    )


def is_still(found: Moments, reference: Reference) -> Tensor:
    """Marks coordinates that are equal in all draws of the estimator and the reference: bool."""
    moving = found.variance > 0
    if reference.moments is not None:
        moving |= reference.moments.variance > 0
    return ~moving


def _still_ones_agree(found: Moments, error: Tensor, exact: Tensor) -> bool:
    """Do the coordinates without variance equal the reference?

    They must up to rounding, and up to what a rare event could add that the draws missed; its size
    is supposed to be no larger than the deviations that the draws show.
    """
    if not len(error):
        return True
    rounding = ROUNDING_OF_SUMS * ROUNDING * float(exact.abs().max())
    rare = found.largest * MISSED_EVENT / found.draws
    return float(error.abs().max()) <= rounding + rare


def random_directions(variance: Tensor, used: Tensor, *, seed: int = 0) -> Tensor:
    """Random directions, each coordinate divided by its standard deviation.

    Args:
        variance: of the coordinates, from draws that are left out of the test, (coordinates,).
        used: which coordinates to use, bool, same shape.
        seed: of the directions.

    Returns:
        Shape (coordinates, directions), zero for coordinates that are not used.
    """
    count = min(DIRECTIONS, max(1, int(used.sum())))
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(len(variance), count, generator=generator, dtype=torch.float64)
    spread = variance.sqrt()
    least = SMALLEST_SPREAD * variance[used].mean().sqrt() if used.any() else spread.new_ones(())
    scale = torch.where(used, 1 / spread.clamp(min=least.clamp(min=SMALLEST)), 0.0)
    return normal.to(variance) * scale[:, None]


def hotelling(error: Tensor, reference: Tensor | None = None) -> float:
    """p-value of Hotelling's test that a mean is zero.

    Args:
        error: block means minus the reference, along a few directions, shape (blocks, directions).
        reference: the same for the reference's own blocks, where it is a mean of draws.
    """
    count = len(error)
    covariance = _covariance_of_mean(error)
    if reference is not None:
        covariance = covariance + _covariance_of_mean(reference)
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > RELATIVE_RANK * values.max()
    k = int(kept.sum())
    if k == 0:
        return 1.0
    along = vectors.mT @ error.mean(0)
    squared = float((along[kept] ** 2 / values[kept]).sum())
    return float(fdtrc(k, count - k, squared * (count - k) / (k * (count - 1))))


def _covariance_of_mean(values: Tensor) -> Tensor:
    apart = values - values.mean(0)
    return apart.mT @ apart / (len(values) * (len(values) - 1))


def sidak(z: float, coordinates: int, draws: int) -> float:
    """p-value of the largest |z| of so many coordinates; an upper bound under any correlation."""
    if not coordinates:
        return 1.0
    one = 2 * stdtr(draws - 1, -abs(z))
    return float(-math.expm1(coordinates * math.log1p(-min(one, 1 - 1e-16))))


def length(error: Tensor, reference: Tensor | None = None) -> tuple[float, float]:
    """Norm of a mean, corrected for noise, and its standard error by the jackknife.

    The squared norm is estimated by the mean inner product of two different blocks, which is
    unbiased.

    Args:
        error: block means minus the reference, shape (blocks, coordinates).
        reference: the same for the reference's own blocks, where it is a mean of draws.
    """
    squared, variance = _squared_length(error)
    if reference is not None:
        squared -= float(reference.var(0).sum()) / len(reference)
        variance += _squared_length(reference - error.mean(0))[1]
    value, se = math.sqrt(max(squared, 0.0)), math.sqrt(variance)
    return value, se / (2 * value) if se < squared else math.sqrt(se)


def _squared_length(error: Tensor) -> tuple[float, float]:
    """The squared norm of the mean and the variance of that estimate."""
    gram, count = error @ error.mT, len(error)
    off = gram - gram.diagonal().diag_embed()
    without = (off.sum() - 2 * off.sum(1)) / ((count - 1) * (count - 2))
    variance = (count - 1) / count * (without - without.mean()).square().sum()
    return float(off.sum() / (count * (count - 1))), float(variance)
