"""The von Mises-Fisher distribution on a sphere of any dimension, with reparameterised draws.

    p(z) = e^(k m.z) / Z(k),   Z(k) = (2 pi)^(d/2) I_(d/2-1)(k) / k^(d/2-1),

with the mean direction m on S^(d-1) and the concentration k > 0. The angle a between z and m has

    p(a) proportional to sin(a)^(d-2) e^(k cos a),   0 < a < pi.

Draws: Wood's rejection sampler of the angle, with a fixed number of proposals made at once, of
which the first accepted one is taken; the probability that none is accepted is below 1e-14.
Gradients in k: implicit reparameterisation, which needs no correction for what was rejected. With
F the distribution function of the angle, da/dk = -(dF/dk) / p(a), and

    dF/dk = int_0^a p(s) (cos s - A) ds,   A = E[cos a],

is an integral over an interval in which nothing cancels: from 0 to a if cos a > A, else from a on.
It is computed by Gauss-Legendre quadrature, and so is Z.
Sources: Wood 1994, "Simulation of the von Mises Fisher distribution"; Davidson et al. 2018,
"Hyperspherical variational auto-encoders"; Figurnov, Mohamed & Mnih 2018, "Implicit
reparameterization gradients".
Departs from Davidson et al.: the implicit gradient in place of the corrected one of rejection.
"""

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions.kl import register_kl

from zoo.manifolds.sphere import NO_SHAPE, SphericalUniform, across, log_area, unit

PROPOSALS = 32  # each is refused with probability 0.35 at most, all of them with 3e-15
NODES = 96  # of the quadrature
SMALLEST = 1e-6  # concentration: below it the distribution is uniform to rounding


class VonMisesFisher(TorchDistribution):
    """Points on a sphere, with density proportional to e^(concentration * loc.z).

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

    def expand(self, batch_shape: Any, _instance: object = None) -> "VonMisesFisher":
        """The same with another batch shape."""
        batch = torch.Size(batch_shape)
        loc = self.loc.expand(*batch, self.loc.shape[-1])
        return VonMisesFisher(loc, self.concentration.expand(batch), validate_args=False)

    def rsample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws, shape (*sample_shape, *batch, d)."""
        shape = self._extended_shape(torch.Size(sample_shape))
        d, k = shape[-1], self.concentration.clamp(min=SMALLEST).expand(shape[:-1])
        with torch.no_grad():
            drawn = draw_angle(k, d)
            slope = angle_slope(drawn, k, d)
        a = (drawn + slope * (k - k.detach()))[..., None]
        g = across(self.loc, torch.randn(shape, dtype=k.dtype, device=k.device))
        return unit(a.cos() * self.loc + a.sin() * unit(g))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density by surface measure, nats, shape (..., *batch)."""
        if self._validate_args:
            self._validate_sample(value)
        away = (self.loc - value).square().sum(-1) / 2  # is 1 - m.z, exact near the mean
        return -self.concentration * away - self._log_scaled

    @property
    def _log_scaled(self) -> Tensor:
        """Log of e^-k Z(k): an integral over the angle times the area of the sphere across."""
        d = self.event_shape[-1]
        return log_angles(self.concentration, d) + log_area(d - 1)

    def entropy(self) -> Tensor:
        """Nats, shape (*batch)."""
        resultant = resultant_length(self.concentration, self.event_shape[-1])
        return self._log_scaled + self.concentration * (1 - resultant)

    @property
    def mean(self) -> Tensor:
        """The mean of the coordinates: the mean direction times the resultant length."""
        resultant = resultant_length(self.concentration, self.event_shape[-1])
        return self.loc * resultant[..., None]


@register_kl(VonMisesFisher, SphericalUniform)
def _kl(q: VonMisesFisher, p: SphericalUniform) -> Tensor:
    return log_area(p.d) - q.entropy()


@cache
def _rule() -> tuple[list[float], list[float]]:
    """Nodes in (0, 1) and weights of Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()


def _on(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes between start and end (...), and their log-weights, (..., NODES) each."""
    nodes, weights = (start.new_tensor(part) for part in _rule())
    width = (end - start)[..., None]
    return start[..., None] + width * nodes, weights.log() + width.log()


def _last(away: Tensor, k: Tensor, d: int) -> Tensor:
    """An angle from which on the density is negligible; it is so where 1 - cos a is `away`."""
    u = (away + (50 + 4 * (d - 2)) / k) / 2
    return 2 * u.clamp(max=1.0).sqrt().asin()


def _log_density(a: Tensor, k: Tensor, d: int) -> Tensor:
    """Of the angle, without its constant: (d-2) log sin a - k (1 - cos a)."""
    return (d - 2) * a.sin().log() - 2 * k * (a / 2).sin().square()


def log_angles(k: Tensor, d: int) -> Tensor:
    """Log of the integral of sin(a)^(d-2) e^(k (cos a - 1)) over the angles, (...)."""
    start = torch.zeros_like(k)
    a, log_w = _on(start, _last(start, k.detach(), d))
    return (_log_density(a, k[..., None], d) + log_w).logsumexp(-1)


def resultant_length(k: Tensor, d: int) -> Tensor:
    """E[m.z] = I_(d/2)(k) / I_(d/2-1)(k), (...)."""
    start = torch.zeros_like(k)
    a, log_w = _on(start, _last(start, k.detach(), d))
    return ((_log_density(a, k[..., None], d) + log_w).softmax(-1) * a.cos()).sum(-1)


def draw_angle(k: Tensor, d: int) -> Tensor:
    """Angles between draws and the mean direction, without a gradient, (...).

    Wood's proposal is (1 - cos a) = 2 b e / (1 - (1 - b) e) with e from Beta((d-1)/2, (d-1)/2).
    The first coordinate x of a uniform point on S^(d-1) gives such a number: e = (1 + x) / 2.
    """
    m = d - 1
    root = (4 * k**2 + m**2).sqrt()
    b = m / (root + 2 * k)
    scale, offset = (m + 2 * k + root) / 4, m * (math.log(m) if m > 1 else 0.0)
    normals = torch.randn((PROPOSALS, *k.shape, d), dtype=k.dtype, device=k.device)
    uniforms = torch.rand((PROPOSALS, *k.shape), dtype=k.dtype, device=k.device)
    e = (1 + unit(normals)[..., 0]) / 2
    t = 2 * scale * b / (1 - (1 - b) * e)
    bound = 4 * scale * b / (1 + b) - offset
    accepted = m * t.log() - t + bound >= torch.log1p(-uniforms)
    away = 2 * b * e / (1 - (1 - b) * e)
    chosen = away[-1]
    for i in reversed(range(PROPOSALS - 1)):
        chosen = torch.where(accepted[i], away[i], chosen)
    return 2 * (chosen / 2).clamp(0.0, 1.0).sqrt().asin()


def angle_slope(a: Tensor, k: Tensor, d: int) -> Tensor:
    """The derivative in k of an angle that keeps its distribution function, (...)."""
    a, resultant = a.clamp(1e-12, math.pi - 1e-6), resultant_length(k, d)
    near = a.cos() > resultant
    end = torch.maximum(_last(2 * (a / 2).sin().square(), k, d), a)
    s, log_w = _on(torch.where(near, 0.0, a), torch.where(near, a, end))
    k, resultant, a = k[..., None], resultant[..., None], a[..., None]
    ratio = (_log_density(s, k, d) - _log_density(a, k, d) + log_w).exp()
    whole = (ratio * (s.cos() - resultant)).sum(-1)
    return torch.where(near, -whole, whole)
