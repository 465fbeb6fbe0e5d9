"""Increasing networks of one value: a mixture of sigmoids, and the flow whose steps they are.

    f(x) = logit( sum_k w_k sigmoid(a_k x + b_k) ),   w on the simplex, a > 0.

Each sigmoid can make a mode of its own. f has no closed inverse: that is one root on a line, which
lies between the roots of the single sigmoids, (y - b_k) / a_k.
Source: Huang, Krueger, Lacoste & Courville 2018, "Neural autoregressive flows", the deep sigmoidal
flow with one hidden layer.
Departs from Pyro's NeuralAutoregressive: that has no inverse, and its log |det| is the one of the
last draw that it made, so it cannot score a draw that is held.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from torch.nn.functional import logsigmoid, softplus

from zoo.flows.roots import root

SOFTPLUS_IS_ONE = 0.5413248546129181
LEAST_SLOPE = 1e-3


class SigmoidalFlow(Transform):
    """One autoregressive step x -> y with y_i = f(x_i; w, a, b), which are read off x_<i.

    Args:
        net: masked network x (..., d) -> three tensors (..., units, d), for w, a and b; its
            `permutation` is the order of the values, as plain numbers.
        context: what the network reads besides x; None for nothing.
    """

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, net: nn.Module, context: Tensor | None = None) -> None:
        super().__init__(cache_size=1)
        self.net, self.context = net, () if context is None else (context,)

    def _call(self, x: Tensor) -> Tensor:
        return sigmoidal(x, *self._numbers(x))[0]

    def _inverse(self, y: Tensor) -> Tensor:
        x = torch.zeros_like(y)
        for i in self.net.permutation:  # type: ignore[union-attr]
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
        w, a, b = (part.mT for part in self.net(x, *self.context))
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
