"""Pathfinder: the best normal on the way of L-BFGS towards a mode.

L-BFGS climbs log p(u) from a starting point. At each point u_l of its path, the differences of
points s and of gradients y give an estimate H of the inverse Hessian of -log p, and with it

    q_l = N(u_l + H grad log p(u_l), H).

The normal of the highest ELBO on the path is kept. It need not be the last: where the density has
no mode, as in a centred hierarchical model, the path runs off, and its best normal lies earlier.

Departs from the paper: H is kept as a dense matrix; all q_l are compared on the same balanced
draws; several paths give the best of their normals and not a mixture.

Source: Zhang, Carpenter, Gelman & Vehtari 2022, "Pathfinder: parallel quasi-Newton variational
inference"; the diagonal that H starts from is of Gilbert & Lemarechal 1989.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal, balanced_draws

HISTORY = 6  # differences that make up H
MOST_STEPS = 500
ELBO_DRAWS = 32
CURVED = 1e-12  # a difference of gradients counts if s^T y is more than this times y^T y
IMPOSSIBLE = 1e300  # -log p where it is not finite


@dataclass(frozen=True)
class Path:
    """What one path of L-BFGS gave.

    Attributes:
        normal: the normal of the highest ELBO on it.
        elbo: that ELBO, nats, from 32 draws.
    """

    normal: Normal
    elbo: float


def pathfinder(density: LogDensity, start: Tensor, *, seed: int = 0) -> Path | None:
    """The best normal on the way of L-BFGS from a starting point.

    Args:
        density: the log density to climb.
        start: starting point, shape (d,), float64.
        seed: of the draws that the ELBO is computed from.

    Returns:
        The path's best; None if no point of it gave a normal with a finite ELBO.
    """
    points, gradients = _climb(density, start)
    normals, inverse = list[Normal](), _InverseHessian(density.size)
    for before, after in pairwise(range(len(points))):
        inverse.update(points[after] - points[before], gradients[before] - gradients[after])
        normal = inverse.normal(points[after], gradients[after])
        if normal is not None:
            normals.append(normal)
    if not normals:
        return None
    z = balanced_draws(ELBO_DRAWS, density.size, seed)
    scored = density(torch.cat([normal.at(z) for normal in normals])).reshape(-1, len(z)).mean(1)
    elbos = scored + torch.tensor([normal.entropy for normal in normals])
    best = int(torch.where(elbos.isfinite(), elbos, -torch.inf).argmax())
    return Path(normals[best], float(elbos[best])) if elbos[best].isfinite() else None


def starting_points(count: int, size: int, seed: int) -> Tensor:
    """Zero, and points uniform on [-2, 2]^d as Stan's: shape (count, d), float64."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(count - 1, size, generator=generator, dtype=torch.float64)
    return torch.cat([torch.zeros(1, size, dtype=torch.float64), 4 * uniform - 2])


def _climb(density: LogDensity, start: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The points of L-BFGS, and the gradients of log p there."""
    from scipy.optimize import minimize

    known: dict[bytes, np.ndarray] = {}
    points, gradients = list[np.ndarray](), list[np.ndarray]()

    def descent(x: np.ndarray) -> tuple[float, np.ndarray]:
        values, slopes = density.with_gradient(torch.from_numpy(x)[None])
        value, slope = float(values[0]), slopes[0].cpu().numpy()
        if not np.isfinite(value) or not np.isfinite(slope).all():
            return IMPOSSIBLE, np.zeros_like(x)
        known[x.tobytes()] = slope
        return -value, -slope

    def note(x: np.ndarray) -> None:
        if x.tobytes() in known:
            points.append(x.copy())
            gradients.append(known[x.tobytes()])

    first = start.cpu().numpy().astype(float)
    descent(first)
    note(first)
    options = {"maxiter": MOST_STEPS, "maxcor": HISTORY, "ftol": 1e-12, "gtol": 1e-6}
    minimize(descent, first, jac=True, method="L-BFGS-B", callback=note, options=options)
    return points, gradients


class _InverseHessian:
    """H of -log p from the last differences of points s and of gradients y, y = H^-1 s."""

    def __init__(self, size: int) -> None:
        self.diagonal = np.ones(size)
        self.pairs: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, s: np.ndarray, y: np.ndarray) -> None:
        if s @ y <= CURVED * (y @ y):
            return
        a, sy = self.diagonal, s @ y
        ya, sa = (y * a * y).sum() / sy, (s * s / a).sum()
        self.diagonal = 1 / (ya / a + y * y / sy - ya * s * s / (sa * a * a))
        self.pairs = [*self.pairs, (s, y)][-HISTORY:]

    def normal(self, point: np.ndarray, gradient: np.ndarray) -> Normal | None:
        """N(u + H grad, H); None if H is not positive definite."""
        inverse = np.diag(self.diagonal)
        for s, y in self.pairs:
            reflection = np.eye(len(s)) - np.outer(s, y) / (s @ y)
            inverse = reflection @ inverse @ reflection.T + np.outer(s, s) / (s @ y)
        try:
            factor = np.linalg.cholesky(inverse)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(factor).all():
            return None
        mean = point + inverse @ gradient
        return Normal(torch.from_numpy(mean), torch.from_numpy(factor))
