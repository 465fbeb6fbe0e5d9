"""Neural spline flow over all global latents: each value passes through a monotone spline.

    v_0 = e ~ N(0, I);   v_ti = spline(v_{t-1,i}; knots_ti),   z = T(a + A (m + s * v_T)),
    log |det| = sum_t sum_i log of the spline's slope at v_{t-1,i},

with knots autoregressive in v_{t-1}; the order of the values alternates. A spline bends the noise
within four standard deviations and leaves its tails; see :mod:`zoo.flows.spline`. At first each
spline is the identity: q is then the normal N(m, s^2) in the fixed frame (a, A) of
:meth:`JointFlow.start_at`.

Parameters: 2 d for m and s, and one masked network a step, with 3 B - 1 outputs for a value.
Source: Durkan, Bekasov, Murray & Papamakarios 2019, "Neural spline flows", the autoregressive
flow with rational-quadratic splines.
Departs from the paper: a guide in place of a density of data; the inverse autoregressive
direction, so that draws are quick; an alternating order in place of linear layers.
Topic: Latents that all rows share.
"""

from torch import nn
from torch.distributions import Transform

from guides.parts.flows import LEAST_HIDDEN
from guides.parts.joint_flow import JointFlow, near_identity
from zoo.flows.spline import Splines, numbers_of
from zoo.latents import Latents
from zoo.priors.masked import masked_network


class SplineFlow(JointFlow):
    """`depth` autoregressive spline steps on a normal over all global latents.

    Args:
        latents: the latents to cover.
        depth: number of steps.
        bins: bins of a spline, B.
        hidden: hidden units of a masked network; by default twice the number of values, at
            least 32.

    Raises:
        ValueError: if the latents have one unconstrained value in all; nothing is autoregressive.

    Example:
        Eight schools has 10 unconstrained values, and a spline of 8 bins takes 23 numbers:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.SplineFlow, steps=10)
        >>> [network.layers[-1].out_features for network in fit.guide.networks]
        [230, 230]
    """

    def __init__(
        self, latents: Latents, depth: int = 2, bins: int = 8, hidden: int | None = None
    ) -> None:
        super().__init__(latents, least=2)
        width = hidden or max(2 * self.size, LEAST_HIDDEN)
        self.networks = nn.ModuleList(
            near_identity(
                masked_network(self.size, [width], numbers_of(bins), backwards=t % 2 == 1), 0.0
            )
            for t in range(depth)
        )

    def transforms(self, affine: Transform) -> list[Transform]:
        """One spline step for each network, then m + s * v."""
        return [*(Splines(network) for network in self.networks), affine]
