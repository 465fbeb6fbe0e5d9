"""Amortised neural autoregressive flow: each value passes through an increasing network.

    u_0 = m(x) + s(x) * e,   u_ti = logit( sum_k w_k sigmoid(a_k u_{t-1,i} + b_k) ),

with w on the simplex, a > 0 and b autoregressive in u_{t-1}, given a context h(x); the order of
the values alternates. At first a is near 1 and the step near the identity. Each sigmoid can make
a mode of its own. The inverse takes one root on a
line for each value; it lies between the roots of the single sigmoids, (u_ti - b_k) / a_k.

Parameters: the encoder's, and one masked network a step, which also reads the context h(x).
Source: Huang, Krueger, Lacoste & Courville 2018, "Neural autoregressive flows", the deep sigmoidal
flow with one hidden layer.
Topic: Encoders with flows.
"""

from torch import Tensor, nn
from torch.distributions import Transform

from guides.parts.amortised_flow import AmortisedFlow
from guides.parts.flows import conditional_nets
from zoo.flows.sigmoidal import SigmoidalFlow
from zoo.latents import Latents


class AmortisedNAF(AmortisedFlow):
    """`depth` neural autoregressive steps on an amortised diagonal normal.

    Args:
        latents: the latents to cover; each is a vector in unconstrained space.
        depth: number of steps.
        units: sigmoids in a step's network.
        hidden: hidden units of the masked network; by default twice the latent's size, at
            least 32.
        context: size of the context h(x) that every step reads.
        body: replaces the encoder's hidden layers: (rows, context) -> (rows, features).

    Example:
        A step can be inverted at any point, so that the density of any point is known:

        >>> import guides, torch, zoo
        >>> from pyro import poutine
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.AmortisedNAF, x, steps=10)
        >>> q = poutine.trace(fit.guide).get_trace(x).nodes["z"]["fn"]
        >>> (step,) = q.transforms
        >>> z = torch.randn(7, 2)
        >>> torch.allclose(step(step.inv(z)), z, atol=1e-4)
        True
    """

    def __init__(
        self,
        latents: Latents,
        depth: int = 1,
        units: int = 8,
        hidden: int | None = None,
        context: int = 16,
        body: nn.Module | None = None,
    ) -> None:
        super().__init__(latents, lambda size: context, body)
        self.nets = nn.ModuleList(
            conditional_nets(size, context, depth, hidden, [units] * 3) for size in self.sizes
        )

    def transforms(
        self, latent: int, loc: Tensor, scale: Tensor, context: Tensor
    ) -> list[Transform]:
        """One for each network, which reads the context."""
        return [SigmoidalFlow(net, context) for net in self.nets[latent]]  # type: ignore[attr-defined]
