"""Amortised Householder flow: a diagonal normal read off the row, turned by reflections.

    u_0 = m(x) + s(x) * e,   u_t = u_{t-1} - 2 v_t (v_t . u_{t-1}) / |v_t|^2,

with v_t functions of x. Reflections keep volumes, log |det| = 0, so q is a normal with covariance
H diag(s^2) H^T, H = H_T ... H_1; d - 1 of them reach every covariance.

Parameters: the encoder's; its head gives 2 d + T d numbers for d values and T reflections.
Source: Tomczak & Welling 2016, "Improving variational auto-encoders using Householder flow".
Departs from the paper: all v_t are read off x at once, not v_t off v_{t-1}. From Pyro's
ConditionalHouseholder: that divides by |v_t|, and is NaN where v_t is 0.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from guides.guide import Guide
from guides.parts.amortised_flow import flow_encoder, sample_flows, sizes_of
from zoo.latents import Kind, Latents

ENOUGH = 10


class AmortisedHouseholder(Guide):
    """Reflections of an amortised diagonal normal.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        depth: number of reflections T; by default one fewer than the latent's values, at most 10.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        Reflections keep volumes: the density of a draw is that of the normal it was reflected
        from.

        >>> import guides, torch, zoo
        >>> from pyro import poutine
        >>> from zoo.models.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedHouseholder, x, steps=10)
        >>> q = poutine.trace(fit.guide).get_trace(x).nodes["z"]["fn"]
        >>> z = q.sample()
        >>> u = z
        >>> for step in reversed(q.transforms):
        ...     u = step.inv(u)
        >>> torch.allclose(q.log_prob(z), q.base_dist.log_prob(u), atol=1e-4)
        True
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    independent: ClassVar[bool] = False

    def __init__(
        self, latents: Latents, depth: int | None = None, body: nn.Module | None = None
    ) -> None:
        super().__init__(latents)
        self.sizes = sizes_of(self, latents)

        def context(size: int) -> int:
            return size * (min(size - 1, ENOUGH) if depth is None else depth)

        self.encoder = flow_encoder(latents, context, body)

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        return sample_flows(
            self.latents, self.plates(args), self.encoder, [reflections] * len(self.sizes), args
        )


class Reflection(Transform):
    """One step, its own inverse; v (*batch, d)."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, v: Tensor) -> None:
        super().__init__(cache_size=1)
        self.v = v
        self.twice = 2 * v / (v**2).sum(-1, keepdim=True).clamp(min=1e-12)

    def _call(self, x: Tensor) -> Tensor:
        return x - self.twice * (self.v * x).sum(-1, keepdim=True)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._call(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """0: reflections keep volumes; shape (...)."""
        return torch.zeros_like(x[..., 0])


def reflections(loc: Tensor, scale: Tensor, context: Tensor) -> list[Transform]:
    """One step for every d values of the context, (*batch, T d)."""
    return [Reflection(v) for v in context.split(loc.shape[-1], dim=-1) if v.shape[-1]]
