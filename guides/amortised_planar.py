"""Amortised planar flow: a network gives each row's normal and the directions that bend it.

    u_0 = m(x) + s(x) * e,   u_t = u_{t-1} + a_t tanh(w_t . u_{t-1} + b_t),
    log |det| = sum_t log(1 + w_t . a_t (1 - tanh^2(w_t . u_{t-1} + b_t))),

with a_t, w_t, b_t functions of x, and w_t . a_t > -1 so that every step is invertible. The inverse
is one root on a line: y = w . u_{t-1} solves y + w . a tanh(y + b) = w . u_t.

Parameters: the encoder's; its head gives 2 d, and 2 d + 1 numbers a step, for d values.
Source: Rezende & Mohamed 2015, "Variational inference with normalizing flows"; amortised as in
van den Berg et al. 2018, "Sylvester normalizing flows".
Departs from the paper: w . a = softplus(w . v + log(e^c - 1)) - c with c a little below 1, which
is 0 at w . v = 0, so that a stays bounded as w goes to 0. From Pyro's ConditionalPlanar: that has
no inverse, so it cannot score a draw that is held, and its a is not bounded.
Topic: Encoders with flows.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from guides.parts.amortised_flow import AmortisedFlow
from zoo.flows.roots import tanh_root
from zoo.latents import Latents

LARGEST_NEGATIVE = 0.999  # w . a stays above its negative, away from -1 by more than rounding


class AmortisedPlanar(AmortisedFlow):
    """`depth` planar steps on an amortised diagonal normal.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        depth: number of steps.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Its density is known at every point, not only at its own draws: over a grid it adds up to
        1.

        >>> import guides, torch, zoo
        >>> from pyro import poutine
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(1, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedPlanar, x, steps=10)
        >>> q = poutine.trace(fit.guide).get_trace(x).nodes["z"]["fn"]
        >>> side = torch.linspace(-8.0, 8.0, 81)
        >>> grid = torch.cartesian_prod(side, side).unsqueeze(1)  # (points, rows, 2)
        >>> mass = q.log_prob(grid).exp().sum() * 0.2**2
        >>> round(mass.item(), 2)
        1.0
    """

    def __init__(self, latents: Latents, depth: int = 4, body: nn.Module | None = None) -> None:
        super().__init__(latents, lambda size: depth * (2 * size + 1), body)
        self.depth = depth

    def transforms(
        self, latent: int, loc: Tensor, scale: Tensor, context: Tensor
    ) -> list[Transform]:
        """One for each part of the context."""
        size = loc.shape[-1]
        parts = [part.split([size, size, 1], dim=-1) for part in context.chunk(self.depth, -1)]
        return [Planar(along(v, w), w, b) for v, w, b in parts]


class Planar(Transform):
    """One step; a, w (*batch, d) and b (*batch, 1)."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, a: Tensor, w: Tensor, b: Tensor) -> None:
        super().__init__(cache_size=1)
        self.a, self.w, self.b = a, w, b
        self.strength = _dot(w, a)

    def _call(self, x: Tensor) -> Tensor:
        return x + self.a * torch.tanh(_dot(self.w, x) + self.b)

    def _inverse(self, y: Tensor) -> Tensor:
        one = torch.ones_like(self.strength)
        place = tanh_root(_dot(self.w, y), self.strength, one, self.b)
        return y - self.a * torch.tanh(place + self.b)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Log |det| by the determinant lemma, shape (...)."""
        h = torch.tanh(_dot(self.w, x) + self.b)
        return torch.log1p(self.strength * (1 - h**2)).squeeze(-1)


def along(v: Tensor, w: Tensor) -> Tensor:
    """The direction v with its part along w bent so that w . a > -1; (*batch, d) each."""
    dot = _dot(w, v)
    bent = nn.functional.softplus(dot + math.log(math.expm1(LARGEST_NEGATIVE))) - LARGEST_NEGATIVE
    return v + (bent - dot) * w / _dot(w, w).clamp(min=1e-12)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)
