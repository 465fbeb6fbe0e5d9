"""Hyperbolic space H^n as the upper sheet of a hyperboloid in R^(n+1): the Lorentz model.

    H^n = { z in R^(n+1) : <z, z> = -1, z_0 > 0 },   <u, v> = -u_0 v_0 + u_1 v_1 + ... + u_n v_n.

Densities on it are taken with respect to its Riemannian volume, which in the chart
(z_1, ..., z_n) is dz_1 ... dz_n / z_0.
Source: Nickel & Kiela 2018, "Learning continuous hierarchies in the Lorentz model of hyperbolic
geometry"; Nagano et al. 2019, "A wrapped normal distribution on hyperbolic space".
"""

import torch
from torch import Tensor
from torch.distributions.constraints import Constraint

ROUNDING = 100.0  # of <z, z>, in units of the last place of z_0^2


class Hyperboloid(Constraint):
    """The points z of R^(n+1) with <z, z> = -1 and z_0 > 0, up to rounding."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        """Is each vector a point of the hyperboloid? (..., n + 1) -> (...)."""
        first = value[..., 0]
        size = torch.finfo(value.dtype).eps * (1 + value.square().sum(-1))
        return (first > 0) & ((inner(value, value) + 1).abs() < ROUNDING * size)

    def __repr__(self) -> str:
        return type(self).__name__


hyperboloid = Hyperboloid()


def inner(u: Tensor, v: Tensor) -> Tensor:
    """The Lorentz product <u, v>, (..., n + 1) twice -> (...)."""
    return (u[..., 1:] * v[..., 1:]).sum(-1) - u[..., 0] * v[..., 0]


def from_chart(x: Tensor) -> Tensor:
    """The point whose last n coordinates are given, (..., n) -> (..., n + 1)."""
    first = (1 + x.square().sum(-1, keepdim=True)).sqrt()
    return torch.cat([first, x], -1)
