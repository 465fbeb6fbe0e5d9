"""Planar steps: a layer of one hidden unit, added to the values that it reads.

    f(u) = u + a tanh(w . u + b),   log |det| = log(1 + w . a (1 - tanh^2(w . u + b))),

with w . a > -1, so that f is invertible. The inverse is one root on a line: y = w . u solves
y + w . a tanh(y + b) = w . f(u).
Source: Rezende & Mohamed 2015, "Variational inference with normalizing flows".
Departs from the paper: w . a = softplus(w . v + log(e^c - 1)) - c with c a little below 1, which
is 0 at w . v = 0, so that a stays bounded as w goes to 0.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from zoo.flows.roots import tanh_root

LARGEST_NEGATIVE = 0.999  # w . a stays above its negative, away from -1 by more than rounding


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
