"""The uniform distribution on a sphere, and the geometry that distributions on spheres share.

    S^(d-1) = { z in R^d : |z| = 1 },   area 2 pi^(d/2) / Gamma(d/2).

Densities on it are taken with respect to surface measure.
"""

import math
from typing import Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

NO_SHAPE = torch.Size()


def log_area(d: int) -> float:
    """Log area of the unit sphere in R^d."""
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


def across(loc: Tensor, normals: Tensor) -> Tensor:
    """Normals projected on the hyperplane orthogonal to `loc`: standard normal there, (..., d)."""
    return normals - (normals * loc).sum(-1, keepdim=True) * loc


def unit(vector: Tensor) -> Tensor:
    """The vector divided by its length, (..., d); that of length 0 stays so."""
    tiny = torch.finfo(vector.dtype).tiny
    return vector / (vector.square().sum(-1, keepdim=True) + tiny).sqrt()


def angle(u: Tensor, v: Tensor) -> Tensor:
    """Geodesic distance of unit vectors in radians, (..., d) twice -> (...).

    It is 2 atan2(|u - v|, |u + v|), which is as exact for small angles as for large ones.
    """
    return 2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1))


class SphericalUniform(TorchDistribution):
    """The uniform distribution on the sphere S^(d-1).

    Args:
        like: a tensor whose dtype and device draws have.
        d: number of coordinates, at least 2.
        batch_shape: of the distribution.
    """

    arg_constraints = {}  # type: ignore[var-annotated]  # noqa: RUF012
    support = constraints.sphere
    has_rsample = True

    def __init__(self, like: Tensor, d: int, batch_shape: torch.Size = NO_SHAPE) -> None:
        self.like, self.d = like, d
        super().__init__(torch.Size(batch_shape), torch.Size((d,)), validate_args=False)

    def expand(self, batch_shape: Any, _instance: object = None) -> "SphericalUniform":
        """The same with another batch shape."""
        return SphericalUniform(self.like, self.d, torch.Size(batch_shape))

    def rsample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws, shape (*sample_shape, *batch, d)."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return unit(torch.randn(shape, dtype=self.like.dtype, device=self.like.device))

    def log_prob(self, value: Tensor) -> Tensor:
        """Minus the log area, nats, shape (..., *batch)."""
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return value.new_full(shape, -log_area(self.d))

    @property
    def mean(self) -> Tensor:
        """The mean of the coordinates, which is the centre of the sphere."""
        return self.like.new_zeros(self.batch_shape + self.event_shape)
