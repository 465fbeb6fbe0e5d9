"""Has a posterior heavier tails than any normal?

The log density is read along a line through the normal's mean, in the direction in which the
normal expects the other coordinates to follow. For D coordinates moved together, their distance r
has the density  r^(D-1) p(m + r v)  on this line; for a normal it is the chi distribution. Its
scale is taken from its median, so that a normal that is too narrow or too wide is forgiven. Then
the mass beyond what is 4 sds of a normal is compared with a limit, 2.5 %:

    normal 0.006 %,   Student's t of 5 degrees of freedom 0.7 %, of 3 2 %, of 2 4 %,
    Cauchy 10 %,      the log of a scale that data cannot tell from 0: about 2 %.

There is a line for each coordinate, and some in random directions for each latent of several.
"""

import numpy as np
import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal
from zoo.normals.shape import Difficulty, columns_of, listed, values_at

BEYOND = 6.3e-5  # mass of a normal beyond 4 sds
TOO_MUCH = 0.025  # mass there that is called a heavy tail
LINES = 6  # random directions for each latent of several numbers
RADII = 24
MOST_COORDINATES = 40  # that are each looked at alone
FARTHEST = 40.0  # sds of the normal
LOWEST = -200.0  # nats below the highest that still count


def heavy_tails(density: LogDensity, normal: Normal, seed: int) -> Difficulty | None:
    """Names the latents whose tails are much heavier than a normal's; None if there are none.

    Costs at most 48 evaluations for each of 40 coordinates, and 288 for each latent and for all
    together.

    Args:
        density: the log density.
        normal: the normal to compare with; only its directions matter.
        seed: of the directions.
    """
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, float] = {}
    everywhere = columns_of(density)
    chosen = torch.randperm(density.size, generator=generator)[:MOST_COORDINATES].tolist()
    for name, columns in everywhere.items():
        alone = [i for i in columns.tolist() if i in chosen]
        masses = _masses(density, normal, [torch.tensor([i]) for i in alone], None)
        if len(columns) > 1:
            masses.append(float(np.mean(_masses(density, normal, [columns] * LINES, generator))))
        found[name] = max(masses, default=0.0)
    heavy = [name for name, mass in found.items() if mass > TOO_MUCH]
    most = max(found.values(), default=0.0)
    if not heavy and len(found) > 1:
        every = torch.arange(density.size)
        most = float(np.mean(_masses(density, normal, [every] * LINES, generator)))
        heavy = list(found) if most > TOO_MUCH else []
    if not heavy:
        return None
    return Difficulty(
        "heavy tails",
        f"The tails of {listed(heavy)} are much heavier than a normal's: {most:.1%} of the mass "
        "lies where a normal has 0.006 %, beyond 4 sds. The normal is too narrow there, and "
        "importance weights are unreliable. Use a prior with lighter tails; for a scale that the "
        "data cannot tell from 0, a prior that keeps it from 0. Or use guides.IAF.",
    )


def _masses(
    density: LogDensity,
    normal: Normal,
    groups: list[Tensor],
    generator: torch.Generator | None,
) -> list[float]:
    """For each group of columns, the mass on its line beyond 4 sds of a normal."""
    if not groups:
        return []
    count = len(groups[0])
    directions = torch.stack([_direction(normal, columns, generator) for columns in groups])
    radii = np.geomspace(0.05, FARTHEST, RADII) if count < 4 else _radii(count)
    both = torch.from_numpy(np.concatenate([-radii, radii]))
    points = normal.mean + both[:, None] * directions[:, None]
    values = values_at(density, points.reshape(-1, density.size)).reshape(len(groups), 2, RADII)
    return [_mass(radii, one.numpy(), count) for one in values]


def _radii(count: int) -> np.ndarray:
    """Radii about sqrt(D), where the mass of a normal of D coordinates lies."""
    return np.geomspace(0.2, 10.0, RADII) * count**0.5


def _direction(normal: Normal, columns: Tensor, generator: torch.Generator | None) -> Tensor:
    """How all coordinates move as those of a latent move by 1 sd, shape (d,)."""
    rows = normal.factor[columns]
    own = torch.linalg.cholesky(rows @ rows.mT)
    towards = torch.ones(1, dtype=torch.float64)
    if generator is not None:
        towards = torch.randn(len(columns), generator=generator, dtype=torch.float64)
        towards = towards / towards.norm()
    back = torch.linalg.solve_triangular(own.mT, towards[:, None], upper=True)
    return normal.factor @ (rows.mT @ back)[:, 0]


def _mass(radii: np.ndarray, values: np.ndarray, count: int) -> float:
    """Mass beyond 4 sds on one line, from log densities of shape (2, radii); 0 if flat."""
    from scipy.interpolate import PchipInterpolator
    from scipy.special import gammainccinv

    level = np.maximum(values - values.max(), LOWEST * count)
    logs = np.linspace(np.log(radii[0]), np.log(radii[-1]), 600)
    sides = [PchipInterpolator(np.log(radii), side)(logs) + count * logs for side in level]
    mass = np.cumsum(np.exp(np.stack(sides) - np.max(sides)).sum(0))
    mass = mass / mass[-1]
    median = float(np.interp(0.5, mass, np.exp(logs)))
    limit = median * float(np.sqrt(gammainccinv(count / 2, BEYOND) / gammainccinv(count / 2, 0.5)))
    return 1 - float(np.interp(np.log(limit), logs, mass))
