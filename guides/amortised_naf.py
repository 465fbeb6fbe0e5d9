"""Amortised neural autoregressive flow: each value passes through an increasing network.

    u_0 = m(x) + s(x) * e,   u_ti = logit( sum_k w_k sigmoid(a_k u_{t-1,i} + b_k) ),

with w on the simplex, a > 0 and b autoregressive in u_{t-1}, given a context h(x); the order of
the values alternates. At first a is near 1 and the step near the identity. Each sigmoid can make
a mode of its own. The inverse takes one root on a
line for each value; it lies between the roots of the single sigmoids, (u_ti - b_k) / a_k.

Parameters: the encoder's, and one masked network a step, which also reads the context h(x).
Source: Huang, Krueger, Lacoste & Courville 2018, "Neural autoregressive flows", the deep sigmoidal
flow with one hidden layer.
Departs from Pyro's NeuralAutoregressive: that has no inverse, and its log |det| is the one of the
last draw that it made, so it cannot score a draw that is held.
Topic: Encoders with flows.
"""

import torch
from pyro.nn import ConditionalAutoRegressiveNN
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from torch.nn.functional import logsigmoid, softplus

from guides.parts.amortised_flow import AmortisedFlow
from guides.parts.flows import conditional_nets
from guides.parts.roots import root
from zoo.latents import Latents

SOFTPLUS_IS_ONE = 0.5413248546129181
LEAST_SLOPE = 1e-3


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


class SigmoidalFlow(Transform):
    """One step; the network gives (units, d) numbers for each of w, a and b."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, net: ConditionalAutoRegressiveNN, context: Tensor) -> None:
        super().__init__(cache_size=1)
        self.net, self.context = net, context

    def _call(self, x: Tensor) -> Tensor:
        return sigmoidal(x, *self._numbers(x))[0]

    def _inverse(self, y: Tensor) -> Tensor:
        x = torch.zeros_like(y)
        for i in self.net.permutation:
            numbers = [part[..., i, :] for part in self._numbers(x)]
            x = torch.cat(
                [x[..., :i], sigmoidal_root(y[..., i], *numbers).unsqueeze(-1), x[..., i + 1 :]],
                dim=-1,
            )
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Log |det| by the triangular Jacobian, shape (...)."""
        return sigmoidal(x, *self._numbers(x))[1].sum(-1)

    def _numbers(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        w, a, b = (part.mT for part in self.net(x, self.context))
        return w.log_softmax(-1), softplus(a + SOFTPLUS_IS_ONE) + LEAST_SLOPE, b


def sigmoidal(x: Tensor, log_w: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The increasing function logit(sum_k w_k sigmoid(a_k x + b_k)) and the log of its slope.

    Args:
        x: shape (...).
        log_w: logs of the weights, which sum to 1; shape (..., units), and so a and b.
        a: slopes, above 0.
        b: shifts.
    """
    inner = a * x.unsqueeze(-1) + b
    on, off = logsigmoid(inner), logsigmoid(-inner)
    log_p, log_1_p = (log_w + on).logsumexp(-1), (log_w + off).logsumexp(-1)
    slope = (log_w + a.log() + on + off).logsumexp(-1)
    return log_p - log_1_p, slope - log_p - log_1_p


def sigmoidal_root(value: Tensor, log_w: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Where that function has a value; shapes as there."""

    def increasing(x: Tensor) -> tuple[Tensor, Tensor]:
        found, slope = sigmoidal(x, log_w, a, b)
        return found, slope.exp()

    single = (value.unsqueeze(-1) - b) / a
    return root(increasing, value, single.amin(-1), single.amax(-1))
