"""Two moons: two arcs of one circle in the plane, which face each other.

The density has two modes, and each is bent: a Gaussian can cover one of them at most, and a
mean-field guide sees nothing of the bend. Nothing is observed: the guide approximates the density.

Density, up to its constant:
    log p(x) = -1/2 ((|x| - r) / s)^2
               + log[ exp(-1/2 ((x_1 - r) / w)^2) + exp(-1/2 ((x_1 + r) / w)^2) ]

Shapes: shape (3,) holds the radius r, the thickness s and the width w; x (2,).
Source: Rezende and Mohamed (2015), Variational inference with normalizing flows, table 1,
potential U_1 with r = 2, s = 0.4, w = 0.6.
Departs from the paper: nothing.
"""

import math

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape
from zoo.models.targets.factored import sample_by_factor
from zoo.models.targets.quadrature import legendre

RADII, ANGLES = 200, 400  # nodes of the quadrature
REACH = 12.0  # how many thicknesses from the circle the quadrature goes


class FacingMoons(nn.Module):
    """A density in the plane, known up to its constant; it has no parameters to learn."""

    def forward(self, shape: Tensor) -> Tensor:
        """Draws site x from N(0, r^2 I), and corrects its density by a factor.

        Args:
            shape: radius, thickness and width, shape (3,).

        Returns:
            x, shape (2,).

        Raises:
            ValueError: shape has another shape than (3,).
        """
        require_shape("shape", shape, (3,))
        spread = shape[0].expand(2)
        base = dist.Normal(torch.zeros_like(spread), spread).to_event(1)
        return sample_by_factor(base, lambda x: _log_density(x, shape))

    def log_evidence(self, shape: Tensor) -> Tensor:
        """Log of the integral of the density, by quadrature in polar coordinates.

        Args:
            shape: radius, thickness and width, shape (3,).

        Returns:
            Nats, shape ().
        """
        return _polar(shape)[1].sum().log()

    def posterior_moments(self, shape: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact mean, 0 by symmetry, and standard deviation, by the same quadrature.

        Args:
            shape: radius, thickness and width, shape (3,).

        Returns:
            Site x -> (mean, sd), each of shape (2,).
        """
        x, mass = _polar(shape)
        variance = (mass[..., None] * x.square()).sum((0, 1)) / mass.sum()
        return {"x": (torch.zeros_like(variance), variance.sqrt())}

    def exact_draws(self, count: int, shape: Tensor) -> dict[str, Tensor]:
        """Independent draws, by rejection in polar coordinates.

        A radius of density r' exp(-1/2 ((r' - r) / s)^2) comes from a normal, as
        r' <= r exp(r' / r - 1). The angle is uniform, and kept in proportion to the two bumps.

        Args:
            count: number of draws.
            shape: radius, thickness and width, shape (3,).

        Returns:
            Site x -> (count, 2).
        """
        radius, thickness, width = shape
        kept = [shape.new_empty(0, 2)]
        while sum(map(len, kept)) < count:
            r = radius + thickness**2 / radius + thickness * torch.randn(count).to(shape)
            angle = 2 * math.pi * torch.rand(count).to(shape)
            x = torch.stack([r * angle.cos(), r * angle.sin()], -1)
            of_radius = (r / radius).clamp(min=0) * (1 - r / radius).exp()
            highest = 1 + (-0.5 * (radius / width) ** 2).exp()
            of_angle = _log_bumps(x[:, 0], radius, width).exp() / highest
            kept.append(x[torch.rand(count).to(shape) < of_radius * of_angle])
        return {"x": torch.cat(kept)[:count]}


def _log_density(x: Tensor, shape: Tensor) -> Tensor:
    radius, thickness, width = shape
    ring = -0.5 * ((x.norm(dim=-1) - radius) / thickness) ** 2
    return ring + _log_bumps(x[..., 0], radius, width)


def _log_bumps(x1: Tensor, radius: Tensor, width: Tensor) -> Tensor:
    right, left = (-0.5 * ((x1 + side * radius) / width) ** 2 for side in (-1, 1))
    return torch.logaddexp(right, left)


def _polar(shape: Tensor) -> tuple[Tensor, Tensor]:
    """Points of a polar grid, (radii, angles, 2), and the density's mass at each."""
    radius, thickness, _ = shape
    low = (radius - REACH * thickness).clamp(min=0)
    r, weights = legendre(RADII, low, radius + REACH * thickness)
    angle = torch.arange(ANGLES).to(shape) * (2 * math.pi / ANGLES)
    x = r[:, None, None] * torch.stack([angle.cos(), angle.sin()], -1)
    mass = _log_density(x, shape).exp() * (weights * r)[:, None] * (2 * math.pi / ANGLES)
    return x, mass
