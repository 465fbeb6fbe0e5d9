"""What the tests of a posterior's shape share: curvature, the climb to a mode, names of sites."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal

STEP = 0.1  # of a finite difference, in conditional sds of the normal
MOST_CLIMBED = 150  # steps of L-BFGS
IMPOSSIBLE = 1e300  # -log p where it is not finite


@dataclass(frozen=True)
class Difficulty:
    """A property of a posterior for which a normal falls short of it.

    Attributes:
        kind: "multimodal", "funnel", "heavy tails", "flat", "no mode", "dependent support",
            "not smooth", or "unbounded" in the model's own parameters.
        sentence: what was found, with the names of the latents, and what to do.
    """

    kind: str
    sentence: str


@dataclass(frozen=True)
class Top:
    """Where a climb ended.

    Attributes:
        point: shape (d,), float64.
        value: the log density there, nats.
        arrived: did L-BFGS come to a point where the gradient is 0?
    """

    point: Tensor
    value: float
    arrived: bool


def owners(density: LogDensity) -> list[str]:
    """For each of the d columns of u, the name of the latent that it belongs to."""
    columns = density.joint.columns
    pairs = zip(columns.sites, columns.sizes, strict=True)
    return [site.name for site, size in pairs for _ in range(size)]


def columns_of(density: LogDensity) -> dict[str, Tensor]:
    """Latent -> the indices of its columns in u."""
    names = owners(density)
    return {
        name: torch.tensor([i for i, other in enumerate(names) if other == name])
        for name in dict.fromkeys(names)
    }


def listed(names: list[str]) -> str:
    """The names in quotes, with commas and "and" between them."""
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def conditional_sd(normal: Normal) -> Tensor:
    """The sd of each coordinate with all others held, shape (d,)."""
    return torch.cholesky_inverse(normal.factor).diagonal().rsqrt()


def values_at(density: LogDensity, points: Tensor) -> Tensor:
    """The log density, nats: (n, d) -> (n,); -inf where the model raises or gives no number."""
    return density(points).nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)


def slopes_at(density: LogDensity, points: Tensor) -> tuple[Tensor, Tensor]:
    """Log density and gradient: (n, d) -> (n,), (n, d); -inf and 0 where the model raises."""
    values, slopes = density.with_gradient(points)
    return values.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf), slopes


def negative_hessians(density: LogDensity, points: Tensor, scale: Tensor) -> Tensor:
    """-d^2 log p / dv dv^T for v = u / scale, by central differences of gradients.

    Args:
        density: the log density.
        points: shape (n, d), float64.
        scale: the unit of each coordinate, shape (d,).

    Returns:
        Shape (n, d, d); not finite where the density is not.
    """
    count, size = points.shape
    steps = STEP * torch.diag(scale)
    around = torch.cat([points[:, None] + steps, points[:, None] - steps], 1)
    _, slopes = slopes_at(density, around.reshape(-1, size))
    ahead, behind = slopes.reshape(count, 2, size, size).unbind(1)
    found = (behind - ahead) * scale / (2 * STEP)
    return (found + found.mT) / 2


def climb(
    density: LogDensity, start: Tensor, scale: Tensor, *, across: Tensor | None = None
) -> Top:
    """L-BFGS towards a mode, in the coordinates v = u / scale.

    Args:
        density: the log density.
        start: where to begin, shape (d,).
        scale: the unit of each coordinate, shape (d,).
        across: a unit vector in the coordinates v, shape (d,), along which u stays as it is.
    """
    from scipy.optimize import minimize

    def within(v: Tensor) -> Tensor:
        return v if across is None else v - (v @ across) * across

    def descent(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        point = start + scale * within(torch.from_numpy(numbers))
        values, slopes = slopes_at(density, point[None])
        slope = within(slopes[0] * scale)
        if not bool(values.isfinite().all()) or not bool(slope.isfinite().all()):
            return IMPOSSIBLE, np.zeros_like(numbers)
        return -float(values[0]), -slope.numpy()

    options = {"maxiter": MOST_CLIMBED, "ftol": 1e-10, "gtol": 1e-4}
    origin = np.zeros(len(start))
    found = minimize(descent, origin, jac=True, method="L-BFGS-B", options=options)
    slope = float(np.abs(found.jac).max())
    point = start + scale * within(torch.from_numpy(found.x))
    return Top(point, -float(found.fun), bool(found.fun < IMPOSSIBLE) and slope < 0.1)
