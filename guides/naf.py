"""Neural autoregressive flow over all global latents: values pass through increasing networks.

    v_0 = e ~ N(0, I);   v_ti = logit( sum_k w_k sigmoid(a_k v_{t-1,i} + b_k) ),
    z = T(a + A (m + s * v_T)),   log |det| = sum_t sum_i log of the slope at v_{t-1,i},

with w on the simplex, a > 0 and b autoregressive in v_{t-1}; the order of the values alternates.
Each sigmoid can make a mode of its own. There is no closed inverse: log q of a draw of the
guide's own needs none, and that of any other point takes one root on a line for each value, to
rounding error; see :mod:`zoo.flows.sigmoidal`. At first each step is close to the identity: q is
then close to the normal N(m, s^2) in the fixed frame (a, A) of :meth:`JointFlow.start_at`.

Parameters: 2 d for m and s, and one masked network a step, with 3 K outputs for a value.
Source: Huang, Krueger, Lacoste & Courville 2018, "Neural autoregressive flows", the deep sigmoidal
flow with one hidden layer.
Topic: Latents that all rows share.
"""

from torch import nn
from torch.distributions import Transform

from guides.parts.flows import LEAST_HIDDEN
from guides.parts.joint_flow import JointFlow, near_identity
from zoo.flows.sigmoidal import SigmoidalFlow
from zoo.latents import Latents
from zoo.priors.masked import masked_network

SHARE_AT_START = (
    0.01  # not 0: sigmoids with the same numbers would have the same gradients for ever
)


class NAF(JointFlow):
    """`depth` neural autoregressive steps on a normal over all global latents.

    Args:
        latents: the latents to cover.
        depth: number of steps.
        units: sigmoids in an increasing network, K.
        hidden: hidden units of a masked network; by default twice the number of values, at
            least 32.

    Raises:
        ValueError: if the latents have one unconstrained value in all; nothing is autoregressive.

    Example:
        Eight schools has 10 unconstrained values, and 8 sigmoids take 24 numbers:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("eight_schools"), guides.NAF, steps=10)
        >>> [network.layers[-1].out_features for network in fit.guide.networks]
        [240, 240]
    """

    def __init__(
        self, latents: Latents, depth: int = 2, units: int = 8, hidden: int | None = None
    ) -> None:
        super().__init__(latents, least=2)
        width = hidden or max(2 * self.size, LEAST_HIDDEN)
        self.networks = nn.ModuleList(
            near_identity(
                masked_network(self.size, [width], [units] * 3, backwards=t % 2 == 1),
                SHARE_AT_START,
            )
            for t in range(depth)
        )

    def transforms(self, affine: Transform) -> list[Transform]:
        """One increasing step for each network, then m + s * v."""
        return [*(SigmoidalFlow(network) for network in self.networks), affine]
