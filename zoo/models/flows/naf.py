"""Neural autoregressive flow (NAF): each number passes through an increasing network of its own.

An affine step can shift and scale the normal given the numbers before; an increasing network can
also split it into several modes. A masked network gives the numbers of that increasing network.

Generative process, for each row n, with a step's order first to last or last to first in turn:
    u ~ N(0, I_D)
    v_i: the root of u_i = f(v_i; w_i, a_i, b_i),   one number after the other; `depth` times
    x = the units of the data of v

    f(v; w, a, b) = logit( sum_k w_k sigmoid(a_k v + b_k) ),   w on the simplex, a > 0
    log p(x) = log N(u; 0, I) + sum over steps of sum_i log f'(v_i) - log |det| of the units

with (w, a, b)_i read off v_<i: the Jacobian of u given v is triangular with diagonal f'. The
density takes one pass through each network. The inverse, a draw, has no closed form: each number
is a root on a line, found to rounding error, D passes in each step.

Shapes: x (rows, D); each network D -> hidden -> 3 `units` D, masked.
Source: Huang, Krueger, Lacoste and Courville (2018), Neural autoregressive flows, ICML, the deep
sigmoidal flow with one hidden layer.
Departs from the paper: nothing else.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.flows.sigmoidal import SigmoidalFlow
from zoo.models.flows.frame import Frame, frame_of, require_two, standard
from zoo.models.shapes import require_shape
from zoo.priors.masked import masked_network
from zoo.priors.standard import StandardNormal


class NeuralAutoregressiveDensity(nn.Module):
    """Neural autoregressive steps on a standard normal; it has no latents."""

    def __init__(
        self,
        features: int,
        depth: int = 3,
        hidden: Sequence[int] = (64, 64),
        units: int = 16,
        frame: Frame | None = None,
    ) -> None:
        """Builds the networks.

        Args:
            features: D, at least 2.
            depth: number of steps.
            hidden: widths of the hidden layers of a step's network.
            units: sigmoids in an increasing network.
            frame: from v to the units of the data; None for x = v.

        Raises:
            ValueError: for fewer than two features.
        """
        super().__init__()
        require_two(features)
        self.features = features
        self.base = StandardNormal(features)
        self.networks = nn.ModuleList(
            masked_network(features, hidden, (units,) * 3, backwards=i % 2 == 1)
            for i in range(depth)
        )
        self.frame = standard(features) if frame is None else frame

    def density(self) -> TorchDistributionMixin:
        """The distribution of one row: event shape (D,)."""
        steps = [SigmoidalFlow(network).inv for network in self.networks]
        return dist.TransformedDistribution(self.base(), [*steps, *self.frame()])

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: the observed site x.

        Args:
            x: data, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.features))
        with pyro.plate("data", len(x)):
            return pyro.sample("x", self.density(), obs=x)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), nats, shape (rows,).

        Args:
            x: data, shape (rows, D).
        """
        return self.density().log_prob(x)


def from_data(data: Data) -> nn.Module:
    """A neural autoregressive flow for these data, in their units, with fresh parameters.

    Raises:
        ValueError: for rows of one number, grey levels, or a column that is constant.
    """
    return NeuralAutoregressiveDensity(data.features, frame=frame_of(data))
