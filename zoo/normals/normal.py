"""A normal over the unconstrained latents, and its ELBO."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity


@dataclass(frozen=True)
class Normal:
    """q(u) = N(m, L L^T).

    Attributes:
        mean: m, shape (d,), float64.
        factor: L, lower triangular with a positive diagonal, shape (d, d), float64.
    """

    mean: Tensor
    factor: Tensor

    @property
    def sd(self) -> Tensor:
        """Standard deviation of each coordinate, shape (d,)."""
        return self.factor.norm(dim=1)

    @property
    def entropy(self) -> float:
        """E[-log q(u)], nats."""
        size = len(self.mean)
        return float(self.factor.diagonal().log().sum()) + size / 2 * (1 + math.log(2 * math.pi))

    def at(self, z: Tensor) -> Tensor:
        """The points m + L z: (n, d) -> (n, d)."""
        return self.mean + z @ self.factor.mT

    def without_correlations(self) -> "Normal":
        """The independent normal of least KL(q || this): it has the conditional sds."""
        precision = torch.cholesky_inverse(self.factor)
        return Normal(self.mean, torch.diag(precision.diagonal().rsqrt()))


def elbo(density: LogDensity, normal: Normal, z: Tensor) -> float:
    """The mean of log p(x, u) - log q(u) at the points of given draws z ~ N(0, I), nats.

    The mean of log q is taken as its expectation, so that symmetric z leave no error in it.
    """
    return float(density(normal.at(z)).mean()) + normal.entropy


def balanced_draws(count: int, size: int, seed: int) -> Tensor:
    """Draws of N(0, I) whose mean is exactly 0 and whose second moments are nearly exact.

    They are scrambled Sobol points and their mirror images. Where there are many more draws than
    coordinates, they are scaled to have the covariance I; else, to have the variances 1.

    Args:
        count: how many, an even number.
        size: d.
        seed: of the scrambling.

    Returns:
        Shape (count, d), float64.
    """
    engine = torch.quasirandom.SobolEngine(size, scramble=True, seed=seed)
    uniform = engine.draw(count // 2, dtype=torch.float64).clamp(1e-9, 1 - 1e-9)
    half = torch.special.ndtri(uniform)
    z = torch.cat([half, -half])
    if count <= 4 * size:
        return z / z.square().mean(0).sqrt()
    factor = torch.linalg.cholesky(z.mT @ z / count)
    return torch.linalg.solve_triangular(factor, z.mT, upper=False).mT
