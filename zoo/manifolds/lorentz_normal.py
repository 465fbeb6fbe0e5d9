"""The wrapped normal on hyperbolic space: a normal on a tangent space, wrapped by the exponential.

    v ~ N(0, diag s^2) in the tangent space at the origin o = (1, 0, ..., 0),
    z = exp_m( PT(v) ),   PT the parallel transport from o to the mean m,

    log p(z) = log N(v; 0, diag s^2) - (n - 1) log( sinh|v| / |v| ),

a density by Riemannian volume on H^n. Along the geodesic from o to m the transport is the boost B
that takes o to m, an isometry, so that z = B exp_o(v): this is how it is computed here, with
exp_o(v) = (cosh|v|, sinh|v| v / |v|).
Source: Nagano et al. 2019, "A wrapped normal distribution on hyperbolic space for gradient-based
learning".
"""

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import Transform, constraints

from zoo.manifolds.hyperboloid import from_chart, hyperboloid

TINY = 1e-30  # under the root of a squared length, whose slope is infinite at 0


class Wrap(Transform):
    """Tangent vectors at the origin to points: v -> B exp_o(v), R^n -> H^n.

    Args:
        loc: the mean m, (..., n + 1).
        cache_size: 1 to keep the last vector and its point, so that a draw is scored exactly.
    """

    domain = constraints.real_vector
    codomain = hyperboloid
    bijective = True

    def __init__(self, loc: Tensor, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.loc = loc

    def with_cache(self, cache_size: int = 1) -> "Wrap":
        """The same with another cache."""
        return self if self._cache_size == cache_size else Wrap(self.loc, cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return boost(self.loc, exp_origin(x))

    def _inverse(self, y: Tensor) -> Tensor:
        return log_origin(unboost(self.loc, y))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Log of the volume at y for a unit of volume at x, nats, (...)."""
        r = _length(x)[..., 0]
        return (x.shape[-1] - 1) * (r + (-torch.expm1(-2 * r)).log() - (2 * r).log())

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        """(..., n) -> (..., n + 1)."""
        return torch.Size((*shape[:-1], shape[-1] + 1))

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        """(..., n + 1) -> (..., n)."""
        return torch.Size((*shape[:-1], shape[-1] - 1))


def wrapped_normal(loc: Tensor, scale: Tensor) -> Any:
    """The wrapped normal with mean `loc`, (..., n + 1), and scales of the tangent, (..., n)."""
    base = dist.Normal(torch.zeros_like(scale), scale).to_event(1)
    return dist.TransformedDistribution(base, [Wrap(loc, cache_size=1)])


def origin(n: int, like: Tensor) -> Tensor:
    """The point (1, 0, ..., 0) of H^n, (n + 1,)."""
    return from_chart(like.new_zeros(n))


def exp_origin(v: Tensor) -> Tensor:
    """The end of the geodesic that leaves the origin with velocity v, (..., n) -> (..., n + 1)."""
    r = _length(v)
    return torch.cat([r.cosh(), r.sinh() / r * v], -1)


def log_origin(z: Tensor) -> Tensor:
    """The velocity at the origin of the geodesic to z, (..., n + 1) -> (..., n)."""
    size = _length(z[..., 1:])
    return size.asinh() / size * z[..., 1:]


def boost(loc: Tensor, z: Tensor) -> Tensor:
    """The isometry that takes the origin to `loc` and turns nothing, at z, (..., n + 1)."""
    m, x = loc[..., 1:], z[..., 1:]
    along = (m * x).sum(-1, keepdim=True) / (1 + loc[..., :1])
    return from_chart(x + m * (z[..., :1] + along))


def unboost(loc: Tensor, z: Tensor) -> Tensor:
    """The inverse of :func:`boost`."""
    return boost(torch.cat([loc[..., :1], -loc[..., 1:]], -1), z)


def distance(u: Tensor, v: Tensor) -> Tensor:
    """Geodesic distance, (..., n + 1) twice -> (...)."""
    return _length(unboost(u, v)[..., 1:])[..., 0].asinh()


def _length(v: Tensor) -> Tensor:
    return (v.square().sum(-1, keepdim=True) + TINY).sqrt()
