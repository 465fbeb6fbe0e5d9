"""The highest mode of a log density, and the normal of the curvature there.

From each start, L-BFGS climbs in the units of Pathfinder's best normal. Newton's steps with the
exact Hessian go on to the mode, until another one would gain less than 1e-10 nats.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal, balanced_draws, elbo
from zoo.normals.pathfinder import Path, pathfinder, starting_points
from zoo.normals.shape import climb, conditional_sd, owners, slopes_at, values_at
from zoo.normals.solution import Solution

MOST_NEWTON = 50  # steps
HALVINGS = 30  # of one step
STILL = 1e-10  # nats that a step of Newton's still gains at a mode
ROUNDED = 1e-4  # nats that it may promise where no step gains anything, as in float32
SINGULAR = 1e-12  # curvature, of 1, below which rounding hides its sign
ELBO_DRAWS = 512
WAY_OUT = (
    "Use pathfinder, whose best normal lies before, or full_rank, which maximises the ELBO; or "
    "write the model otherwise, as eight_schools_noncentred is."
)


class NoModeError(ValueError):
    """The log density has no mode with a curvature that is positive in every direction."""


@dataclass(frozen=True)
class _Climbed:
    """Where a climb ended: at a mode if `factor` is known.

    `why` says in a clause why it is none; `factor` is the Cholesky factor of the covariance.
    """

    point: Tensor
    value: float
    factor: Tensor | None
    why: str = ""


def laplace(density: LogDensity, seed: int, starts: int) -> Solution:
    """Laplace's normal at the highest of the modes that several starts lead to.

    Args:
        density: the log density.
        seed: of the starts.
        starts: how many.

    Raises:
        NoModeError: if no start leads to a mode, with the numbers of the highest place.
    """
    points = starting_points(starts, density.size, seed)
    paths = [pathfinder(density, start, seed=seed) for start in points]
    climbed = [_climbed(density, s, path) for s, path in zip(points, paths, strict=True)]
    tops = sorted(climbed, key=lambda top: -top.value)
    modes = [top for top in tops if top.factor is not None]
    if not modes:
        raise NoModeError(
            "Laplace needs a mode: a point where the log density is highest, and curved downwards "
            f"in every direction. None of {starts} starts led to one: {tops[0].why}. {WAY_OUT}"
        )
    assert modes[0].factor is not None
    normal = Normal(modes[0].point, modes[0].factor)
    found = elbo(density, normal, balanced_draws(ELBO_DRAWS, density.size, seed))
    lost = starts - len(modes)
    notes = [f"{lost} of {starts} starts led to no mode: {_first_why(tops)}"] if lost else []
    kept = sorted((path for path in paths if path is not None), key=lambda path: -path.elbo)
    return Solution.of_one(normal, [found], kept, *notes)


def _first_why(tops: list[_Climbed]) -> str:
    return next(top.why for top in tops if top.factor is None)


def _climbed(density: LogDensity, start: Tensor, path: Path | None) -> _Climbed:
    if path is None:
        top = climb(density, start, torch.ones_like(start))
    else:
        top = climb(density, path.normal.mean, conditional_sd(path.normal))
    return _by_newton(density, top.point)


def _by_newton(density: LogDensity, point: Tensor) -> _Climbed:
    """Newton's steps to the mode, halved until they gain."""
    value, gain = float(values_at(density, point[None])[0]), float("inf")
    for _ in range(MOST_NEWTON):
        hessian = -density.hessian(point)
        slope = slopes_at(density, point[None])[1][0]
        factor, why = _covariance_factor(density, hessian)
        if factor is None:
            return _Climbed(point, value, None, f"{_where(density, point, value)}, {why}")
        step = factor @ (factor.mT @ slope)
        gain = 0.5 * float(slope @ step)
        if gain < STILL:
            return _Climbed(point, value, factor)
        before = value
        point, value = _risen(density, point, value, step)
        if value == before:
            break
    if gain < ROUNDED:
        return _Climbed(point, value, factor)
    still = f"Newton's next step still promises {gain:.3g} nats"
    return _Climbed(point, value, None, f"{_where(density, point, value)}, {still}")


def _risen(density: LogDensity, point: Tensor, value: float, step: Tensor) -> tuple[Tensor, float]:
    """The highest of the step and its halves; the same point if none is higher."""
    shares = 0.5 ** torch.arange(HALVINGS, dtype=torch.float64)
    tried = point + shares[:, None] * step
    values = values_at(density, tried)
    best = int(values.nan_to_num(posinf=-torch.inf).argmax())
    return (tried[best], float(values[best])) if float(values[best]) > value else (point, value)


def _covariance_factor(density: LogDensity, hessian: Tensor) -> tuple[Tensor | None, str]:
    """The Cholesky factor of the inverse; None, and why, if it is not positive definite."""
    if not bool(hessian.isfinite().all()):
        return None, "where its second derivatives are not finite"
    own = hessian.diagonal().abs().clamp(min=torch.finfo(hessian.dtype).tiny).rsqrt()
    level, axes = torch.linalg.eigh(own[:, None] * hessian * own)
    if float(level[0]) < SINGULAR:
        name = owners(density)[int((own * axes[:, 0]).abs().argmax())]
        return None, (
            f"where minus its Hessian, scaled to a diagonal of 1 or -1, has the eigenvalue "
            f"{float(level[0]):.3g} along '{name}', so that it is not positive definite"
        )
    root = own[:, None] * axes * level.rsqrt()
    return torch.linalg.cholesky(root @ root.mT), ""


def _where(density: LogDensity, point: Tensor, value: float) -> str:
    """The highest place that was met: its value, and the number that went farthest."""
    farthest = int(point.abs().argmax())
    return (
        f"the log density comes to {value:.6g} nats with '{owners(density)[farthest]}' at "
        f"{float(point[farthest]):.4g} on the unconstrained scale"
    )
