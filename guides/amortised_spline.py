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

from torch import Tensor, nn
from torch.distributions import Transform

from guides.parts.amortised_flow import AmortisedFlow
from guides.parts.flows import conditional_nets
from zoo.flows.spline import Splines, numbers_of
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
