"""Amortised Sylvester flow: planar steps in all directions at once, by triangular matrices.

    u_0 = m(x) + s(x) * e,   u_t = u_{t-1} + R_t tanh(S_t u_{t-1} + b_t),
    log |det| = sum_t sum_i log(1 + R_t,ii S_t,ii (1 - tanh^2(S_t u_{t-1} + b_t)_i)),

with upper triangular R_t, S_t and b_t functions of x; every second step takes the values in the
opposite order. R_ii, S_ii are within (-1, 1), so every step is invertible: its inverse is one root
on a line for each value, from the last to the first.

Parameters: the encoder's; its head gives 2 d, and d (d + 1) + d numbers a step, for d values.
Source: van den Berg, Hasenclever, Tomczak & Welling 2018, "Sylvester normalizing flows for
variational inference", the triangular variant.
Departs from Pyro's Sylvester: that is the Householder variant, with parameters of its own in the
place of functions of x, and has no inverse.
Topic: Encoders with flows.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from guides.parts.amortised_flow import AmortisedFlow
from zoo.flows.roots import tanh_root
from zoo.latents import Latents


class AmortisedSylvester(AmortisedFlow):
    """`depth` triangular Sylvester steps on an amortised diagonal normal.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        depth: number of steps.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        For 2 values the encoder's head gives their means and scales, and 8 numbers for each step:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedSylvester, x, steps=10)
        >>> fit.guide.encoder.heads[0].out_features
        20
    """

    def __init__(self, latents: Latents, depth: int = 2, body: nn.Module | None = None) -> None:
        super().__init__(latents, lambda size: depth * size * (size + 2), body)
        self.depth = depth

    def transforms(
        self, latent: int, loc: Tensor, scale: Tensor, context: Tensor
    ) -> list[Transform]:
        """One for each part of the context."""
        parts = context.chunk(self.depth, dim=-1)
        return [Sylvester(p, loc.shape[-1], flipped=t % 2 == 1) for t, p in enumerate(parts)]


class Sylvester(Transform):
    """One step; R, S (*batch, d, d) and b (*batch, d) made of (*batch, d (d + 2)) numbers."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, numbers: Tensor, size: int, *, flipped: bool) -> None:
        super().__init__(cache_size=1)
        self.size, self.flipped = size, flipped
        half = size * (size + 1) // 2
        first, second, self.b = numbers.split([half, half, size], dim=-1)
        self.R, self.S = upper_triangle(first, size), upper_triangle(second, size)
        self.r, self.s = (m.diagonal(dim1=-2, dim2=-1) for m in (self.R, self.S))

    def _call(self, x: Tensor) -> Tensor:
        return x + self._in_order(_times(self.R, self._bent(x)))

    def _inverse(self, y: Tensor) -> Tensor:
        y = self._in_order(y)
        x = h = y[..., :0]
        for i in reversed(range(self.size)):
            rest = y[..., i] - (self.R[..., i, i + 1 :] * h).sum(-1)
            shift = self.b[..., i] + (self.S[..., i, i + 1 :] * x).sum(-1)
            found = tanh_root(rest, self.r[..., i], self.s[..., i], shift)
            bent = torch.tanh(self.s[..., i] * found + shift)
            x = torch.cat([found.unsqueeze(-1), x], dim=-1)
            h = torch.cat([bent.unsqueeze(-1), h], dim=-1)
        return self._in_order(x)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Log |det| by Sylvester's identity, shape (...)."""
        return torch.log1p(self.r * self.s * (1 - self._bent(x) ** 2)).sum(-1)

    def _bent(self, x: Tensor) -> Tensor:
        return torch.tanh(_times(self.S, self._in_order(x)) + self.b)

    def _in_order(self, x: Tensor) -> Tensor:
        return x.flip(-1) if self.flipped else x


def upper_triangle(numbers: Tensor, size: int) -> Tensor:
    """(*batch, d (d + 1) / 2) -> (*batch, d, d), the first d on the diagonal within (-1, 1)."""
    row, column = torch.triu_indices(size, size, offset=1, device=numbers.device)
    above = numbers[..., size:]
    flat = numbers.new_zeros(*numbers.shape[:-1], size * size)
    flat = flat.scatter(-1, (row * size + column).expand_as(above), above)
    diagonal = torch.diag_embed(torch.tanh(numbers[..., :size]))
    return flat.unflatten(-1, (size, size)) + diagonal


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
