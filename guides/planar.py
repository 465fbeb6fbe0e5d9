"""Planar flow over all global latents: each step pushes draws away from a plane, or towards it.

    v_0 = e ~ N(0, I);   v_t = v_{t-1} + a_t tanh(w_t . v_{t-1} + b_t),
    z = T(a + A (m + s * v_T)),
    log |det| = sum_t log(1 + w_t . a_t (1 - tanh^2(w_t . v_{t-1} + b_t))),

with w_t . a_t > -1 so that every step is invertible; see :mod:`zoo.flows.planar`. A step bends
all values along one direction, so that many values take many steps. At first a_t = 0 and w_t is
random: q is then the normal N(m, s^2) in the fixed frame (a, A) of :meth:`JointFlow.start_at`.

Parameters: 2 d for m and s, and 2 d + 1 a step.
Source: Rezende & Mohamed 2015, "Variational inference with normalizing flows".
Departs from the paper: m + s * (.) after the steps in place of before them, which gives the same
family; parameters of q itself in place of an encoder's outputs, for which see `amortised_planar`.
Topic: Latents that all rows share.
"""

import torch
from torch import nn
from torch.distributions import Transform

from guides.parts.joint_flow import JointFlow
from zoo.flows.planar import Planar, along
from zoo.latents import Latents


class PlanarFlow(JointFlow):
    """`depth` planar steps on a normal over all global latents.

    Example:
        Eight schools has 10 unconstrained values: 20 numbers of the normal and 21 of each step.

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.PlanarFlow, steps=10)
        >>> sum(parameter.numel() for parameter in fit.guide.parameters())
        188
    """

    def __init__(self, latents: Latents, depth: int = 8) -> None:
        super().__init__(latents, least=1)
        size = self.size
        self.directions = nn.Parameter(torch.zeros(depth, size))
        self.normals = nn.Parameter(torch.randn(depth, size) / size**0.5)
        self.shifts = nn.Parameter(torch.zeros(depth, 1))

    def transforms(self, affine: Transform) -> list[Transform]:
        """The planar steps, then m + s * v."""
        numbers = zip(self.directions, self.normals, self.shifts, strict=True)
        return [*(Planar(along(v, w), w, b) for v, w, b in numbers), affine]
