"""Amortised autoregressive spline flow: each value passes through a monotone spline.

    u_0 = m(x) + s(x) * e,   v_t = (u_t - m) / s,   v_ti = spline(v_{t-1,i}; knots_ti),

with knots autoregressive in v_{t-1}, given a context h(x); the order of the values alternates. A
spline bends the normal within four of its standard deviations and leaves its tails.

Parameters: the encoder's, and one masked network a step, which also reads the context h(x).
Source: Durkan, Bekasov, Murray & Papamakarios 2019, "Neural spline flows".
Departs from the paper: the inverse autoregressive direction, so that draws are quick; an
alternating order in the place of linear layers. From Pyro's SplineAutoregressive: that writes
where a mask is true and asserts on values, neither of which a captured step in replicas can do.
Topic: Encoders with flows.
"""

import torch
from pyro.nn import ConditionalAutoRegressiveNN
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from guides.parts.amortised_flow import AmortisedFlow
from guides.parts.flows import conditional_nets
from guides.parts.spline import Knots, inverse_spline, knots, numbers_of, spline
from zoo.latents import Latents


class AmortisedSpline(AmortisedFlow):
    """`depth` autoregressive spline steps on an amortised diagonal normal.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        depth: number of steps.
        bins: bins of a spline.
        hidden: hidden units of the masked network; by default twice the latent's size, at
            least 32.
        context: size of the context h(x) that every step reads.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        A spline leaves values alone that are more than four standard deviations from the mean:

        >>> import guides, torch, zoo
        >>> from pyro import poutine
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedSpline, x, steps=10)
        >>> q = poutine.trace(fit.guide).get_trace(x).nodes["z"]["fn"]
        >>> far = q.base_dist.mean + 5 * q.base_dist.stddev
        >>> torch.allclose(q.transforms[0](far), far)
        True
    """

    def __init__(
        self,
        latents: Latents,
        depth: int = 2,
        bins: int = 8,
        hidden: int | None = None,
        context: int = 16,
        body: nn.Module | None = None,
    ) -> None:
        super().__init__(latents, lambda size: context, body)
        self.nets = nn.ModuleList(
            conditional_nets(size, context, depth, hidden, numbers_of(bins)) for size in self.sizes
        )

    def transforms(
        self, latent: int, loc: Tensor, scale: Tensor, context: Tensor
    ) -> list[Transform]:
        """One for each network, which reads the context."""
        return [Splines(net, loc, scale, context) for net in self.nets[latent]]  # type: ignore[attr-defined]


class Splines(Transform):
    """One step; the network gives (numbers, d) for the splines of d values."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(
        self, net: ConditionalAutoRegressiveNN, loc: Tensor, scale: Tensor, context: Tensor
    ) -> None:
        super().__init__(cache_size=1)
        self.net, self.loc, self.scale, self.context = net, loc, scale, context

    def _call(self, x: Tensor) -> Tensor:
        v = (x - self.loc) / self.scale
        return self.loc + self.scale * spline(v, self._knots(v))[0]

    def _inverse(self, y: Tensor) -> Tensor:
        w = (y - self.loc) / self.scale
        v = torch.zeros_like(w)
        for i in self.net.permutation:
            at = Knots(*(part[..., i, :] for part in self._knots(v)))
            found = inverse_spline(w[..., i], at).unsqueeze(-1)
            v = torch.cat([v[..., :i], found, v[..., i + 1 :]], dim=-1)
        return self.loc + self.scale * v

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Log |det| by the triangular Jacobian, shape (...)."""
        v = (x - self.loc) / self.scale
        return spline(v, self._knots(v))[1].sum(-1)

    def _knots(self, v: Tensor) -> Knots:
        return knots(*(part.mT for part in self.net(v, self.context)))
