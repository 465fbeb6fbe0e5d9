"""Tests of bias: is the mean of a stream of gradients the gradient that it ought to be?

The coordinates are thousands and correlated, so they are never counted as independent. They are
projected on a few directions, fixed by a seed before a draw is seen; there the block means are
close to normal, and Hotelling's T^2 = B d' S^{-1} d has an exact F law:

    T^2 (B - k) / ( k (B - 1) ) ~ F(k, B - k)       for B blocks and k directions.

The coordinates are first divided by their standard deviation in the first block, which then takes
no part in the test. The largest z-score is corrected for the number of coordinates.

Source: Hotelling 1931, "The generalization of Student's ratio"; Lopes, Jacob & Wainwright 2011, "A
more powerful two-sample test in high dimensions using random projection".
"""

import math
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from zoo.gradients.moments import ROUNDING, Moments

DIRECTIONS = 10
FLOOR = 0.05  # of the mean spread: below, a coordinate's own spread is not taken at its word
RARE = math.log(1e6)  # an event missed by n draws has, but once in 1e6, a chance below this / n


@dataclass(frozen=True)
class Reference:
    """What the mean gradient is held against.

    Attributes:
        gradient: nats per unit, float64, shape (parameters,); NaN where there is no bound.
        moments: of the draws it is the mean of; None where it is exact.
        says: where it comes from.
    """

    gradient: Tensor
    moments: Moments | None
    says: str


@dataclass(frozen=True)
class Bias:
    """What a comparison with the reference found.

    Attributes:
        p_value: chance of a mean so far off, were there no bias, by random projections.
        max_z: largest distance of a coordinate in standard errors.
        max_z_p_value: its chance, corrected for the number of coordinates.
        coordinate: number of that coordinate.
        norm: length of the bias, the draws' noise taken off; nats per unit.
        se: standard error of the norm.
        relative: norm over the reference's.
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
    """Compares a mean gradient with the reference, where there is one.

    Args:
        found: moments of the gradients.
        reference: what their mean ought to be.
        seed: of the directions.
    """
    columns = reference.gradient.isfinite().nonzero().flatten()
    exact = reference.gradient[columns]
    error = found.means[:, columns] - exact
    variance, of_reference = found.variance[columns] / found.draws, None
    if reference.moments is not None:
        of_reference = reference.moments.means[:, columns] - exact
        variance = variance + reference.moments.variance[columns] / reference.moments.draws
    still = is_still(found, reference)[columns]
    z = torch.where(still, 0.0, error.mean(0) / variance.sqrt().clamp(min=1e-300))
    largest = int(z.abs().argmax())
    directions = random_directions(found.first[columns], ~still, seed=seed)
    p_value = hotelling(
        error[1:] @ directions, None if of_reference is None else of_reference @ directions
    )
    if not _still_ones_agree(found, error.mean(0)[still], exact):
        p_value = 0.0
    norm, se = length(error, of_reference)
    scale = max(float(exact.norm()), 1e-300)
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
    """Marks coordinates that no draw moved, of the estimator or of the reference: bool."""
    moving = found.variance > 0
    if reference.moments is not None:
        moving |= reference.moments.variance > 0
    return ~moving


def _still_ones_agree(found: Moments, error: Tensor, exact: Tensor) -> bool:
    """Must be equal, unless the draws missed a rare event: no larger than what they did see."""
    if not len(error):
        return True
    rounding = 16 * ROUNDING * float(exact.abs().max())
    rare = found.largest * RARE / found.draws
    return float(error.abs().max()) <= rounding + rare


def random_directions(variance: Tensor, used: Tensor, *, seed: int = 0) -> Tensor:
    """Directions in units of each coordinate's spread.

    Args:
        variance: of the coordinates, from draws that take no part in the test, (coordinates,).
        used: which coordinates to use, bool, same shape.
        seed: of the directions.

    Returns:
        Shape (coordinates, directions), zero for coordinates that are not used.
    """
    count = min(DIRECTIONS, max(1, int(used.sum())))
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(len(variance), count, generator=generator, dtype=torch.float64)
    spread = variance.sqrt()
    least = FLOOR * variance[used].mean().sqrt() if used.any() else spread.new_ones(())
    scale = torch.where(used, 1 / spread.clamp(min=least.clamp(min=1e-300)), 0.0)
    return normal.to(variance) * scale[:, None]


def hotelling(error: Tensor, reference: Tensor | None = None) -> float:
    """The p-value of a mean of zero.

    Args:
        error: block means less the reference, along a few directions, shape (blocks, directions).
        reference: the same of the reference, where it is a mean of draws itself.
    """
    count = len(error)
    covariance = _covariance_of_mean(error)
    if reference is not None:
        covariance = covariance + _covariance_of_mean(reference)
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > 1e-12 * values.max()
    k = int(kept.sum())
    if k == 0:
        return 1.0
    along = vectors.mT @ error.mean(0)
    squared = float((along[kept] ** 2 / values[kept]).sum())
    return float(stats.f.sf(squared * (count - k) / (k * (count - 1)), k, count - k))


def _covariance_of_mean(values: Tensor) -> Tensor:
    apart = values - values.mean(0)
    return apart.mT @ apart / (len(values) * (len(values) - 1))


def sidak(z: float, coordinates: int, draws: int) -> float:
    """Chance that the largest of so many |z| is as large, whatever their correlation: at most."""
    if not coordinates:
        return 1.0
    one = 2 * stats.t.sf(abs(z), draws - 1)
    return float(-math.expm1(coordinates * math.log1p(-min(one, 1 - 1e-16))))


def length(error: Tensor, reference: Tensor | None = None) -> tuple[float, float]:
    """Length of a mean with the noise taken off, and its standard error by the jackknife.

    The squared length is the mean of the products of different blocks, which has no bias.

    Args:
        error: block means less the reference, shape (blocks, coordinates).
        reference: the same of the reference, where it is a mean of draws itself.
    """
    squared, variance = _squared_length(error)
    if reference is not None:
        squared -= float(reference.var(0).sum()) / len(reference)
        variance += _squared_length(reference - error.mean(0))[1]
    value, se = math.sqrt(max(squared, 0.0)), math.sqrt(variance)
    return value, se / (2 * value) if se < squared else math.sqrt(se)


def _squared_length(error: Tensor) -> tuple[float, float]:
    """The squared length of the mean, and its variance."""
    gram, count = error @ error.mT, len(error)
    off = gram - gram.diagonal().diag_embed()
    without = (off.sum() - 2 * off.sum(1)) / ((count - 1) * (count - 2))
    variance = (count - 1) / count * (without - without.mean()).square().sum()
    return float(off.sum() / (count * (count - 1))), float(variance)
