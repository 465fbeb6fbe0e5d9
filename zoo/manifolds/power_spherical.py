"""The power spherical distribution, with exact reparameterised draws and a closed-form KL.

    p(z) = C (1 + m.z)^k,   1 / C = 2^(a+b) pi^b Gamma(a) / Gamma(a+b),   b = (d-1)/2,  a = b + k,

with the mean direction m on S^(d-1) and the concentration k > 0. (1 + m.z) / 2 is Beta(a, b).

A draw takes one gamma number s ~ Gamma(a, 1) and normals g on the hyperplane orthogonal to m. As
|g|^2 / 2 is Gamma(b, 1) and independent of the direction of g,

    t = |g|^2 / 2,   z = ((s - t) m + sqrt(2 s) g) / (s + t),

has (1 + m.z) / 2 = s / (s + t) and its part across m along g.
Source: De Cao & Aziz 2020, "The power spherical distribution".
Departs from the paper: no Householder reflection, which is singular where m is the first axis.
"""

import math
from typing import Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import Gamma
from torch.distributions.kl import register_kl

from zoo.manifolds.sphere import NO_SHAPE, SphericalUniform, across, log_area, unit


class PowerSpherical(TorchDistribution):
    """Points on a sphere, with density proportional to (1 + loc.z)^concentration.

    Args:
        loc: mean direction, a unit vector, (..., d).
        concentration: above 0, (...).
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.sphere,
        "concentration": constraints.positive,
    }
    support = constraints.sphere
    has_rsample = True

    def __init__(
        self, loc: Tensor, concentration: Tensor, *, validate_args: bool | None = None
    ) -> None:
        batch = torch.broadcast_shapes(loc.shape[:-1], concentration.shape)
        self.loc = loc.expand(*batch, loc.shape[-1])
        self.concentration = concentration.expand(batch)
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: object = None) -> "PowerSpherical":
        """The same with another batch shape."""
        batch = torch.Size(batch_shape)
        loc = self.loc.expand(*batch, self.loc.shape[-1])
        return PowerSpherical(loc, self.concentration.expand(batch), validate_args=False)

    @property
    def _beta(self) -> tuple[Tensor, float]:
        b = (self.event_shape[-1] - 1) / 2
        return self.concentration + b, b

    def rsample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws, shape (*sample_shape, *batch, d)."""
        shape = self._extended_shape(torch.Size(sample_shape))
        a, _ = self._beta
        s = Gamma(a, torch.ones_like(a), validate_args=False).rsample(shape[: -1 - a.dim()])
        g = across(self.loc, torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device))
        s, t = s[..., None], g.square().sum(-1, keepdim=True) / 2
        return unit(((s - t) * self.loc + (2 * s).sqrt() * g) / (s + t))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density by surface measure, nats, shape (..., *batch)."""
        if self._validate_args:
            self._validate_sample(value)
        near = (self.loc + value).square().sum(-1) / 2  # is 1 + m.z, exact near the antipode
        return self._log_c + self.concentration * near.log()

    @property
    def _log_c(self) -> Tensor:
        a, b = self._beta
        half = (a + b) * math.log(2) + b * math.log(math.pi)
        return torch.lgamma(a + b) - torch.lgamma(a) - half

    def entropy(self) -> Tensor:
        """Nats, shape (*batch)."""
        a, b = self._beta
        mean_log = math.log(2) + torch.digamma(a) - torch.digamma(a + b)
        return -self._log_c - self.concentration * mean_log

    @property
    def mean(self) -> Tensor:
        """The mean of the coordinates: the mean direction times the resultant length."""
        a, b = self._beta
        return self.loc * ((a - b) / (a + b))[..., None]


@register_kl(PowerSpherical, SphericalUniform)
def _kl(q: PowerSpherical, p: SphericalUniform) -> Tensor:
    return log_area(p.d) - q.entropy()
