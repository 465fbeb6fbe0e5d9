"""Amortised planar flow: a network gives each row's normal and the directions that bend it.

    u_0 = m(x) + s(x) * e,   u_t = u_{t-1} + a_t tanh(w_t . u_{t-1} + b_t),
    log |det| = sum_t log(1 + w_t . a_t (1 - tanh^2(w_t . u_{t-1} + b_t))),

with a_t, w_t, b_t functions of x, and w_t . a_t > -1 so that every step is invertible. The inverse
is one root on a line: y = w . u_{t-1} solves y + w . a tanh(y + b) = w . u_t.

Parameters: the encoder's; its head gives 2 d, and 2 d + 1 numbers a step, for d values.
Source: Rezende & Mohamed 2015, "Variational inference with normalizing flows"; amortised as in
van den Berg et al. 2018, "Sylvester normalizing flows".
Departs from the paper: the bound on w . a, see :mod:`zoo.flows.planar`. From Pyro's
ConditionalPlanar: that has no inverse, so it cannot score a draw that is held, and its a is not
bounded.
Topic: Encoders with flows.
"""

from torch import Tensor, nn
from torch.distributions import Transform

from guides.parts.amortised_flow import AmortisedFlow
from zoo.flows.planar import Planar, along
from zoo.latents import Latents


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
