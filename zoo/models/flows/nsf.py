"""Neural spline flow (NSF): each number passes through a monotone spline of its own.

A spline of rational quadratics can split the normal into several modes, as a neural autoregressive
flow does, and has a closed inverse. A masked network gives its knots.

Generative process, for each row n, with a step's order first to last or last to first in turn:
    u ~ N(0, I_D)
    v_i = the inverse spline of u_i with knots_i(v_<i),   one number after the other; `depth` times
    x = the units of the data of v

    log p(x) = log N(u; 0, I) + sum over steps of sum_i log spline'(v_i) - log |det| of the units

where u_i = spline(v_i; knots_i) is read off v in one pass: its Jacobian is triangular. Outside of
[-4, 4] a spline is the identity. The inverse is closed, the root of a quadratic, and sequential.

Shapes: x (rows, D); each network D -> hidden -> (3 `bins` - 1) D, masked.
Source: Durkan, Bekasov, Murray and Papamakarios (2019), Neural spline flows, NeurIPS, the
autoregressive one, RQ-NSF (AR).
Departs from the paper: alternating orders in the place of linear layers, plain masked networks in
the place of residual ones, and wider least bins, for inverses in single precision.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.flows.spline import Splines, numbers_of
from zoo.models.flows.frame import Frame, frame_of, require_two, standard
from zoo.models.shapes import require_shape
from zoo.priors.masked import masked_network
from zoo.priors.standard import StandardNormal


class NeuralSplineFlow(nn.Module):
    """Autoregressive spline steps on a standard normal; it has no latents."""

    def __init__(
        self,
        features: int,
        depth: int = 4,
        hidden: Sequence[int] = (64, 64),
        bins: int = 8,
        frame: Frame | None = None,
    ) -> None:
        """Builds the networks.

        Args:
            features: D, at least 2.
            depth: number of steps.
            hidden: widths of the hidden layers of a step's network.
            bins: of a spline.
            frame: from v to the units of the data; None for x = v.

        Raises:
            ValueError: for fewer than two features.
        """
        super().__init__()
        require_two(features)
        self.features = features
        self.base = StandardNormal(features)
        self.networks = nn.ModuleList(
            masked_network(features, hidden, numbers_of(bins), backwards=i % 2 == 1)
            for i in range(depth)
        )
        self.frame = standard(features) if frame is None else frame

    def density(self) -> TorchDistributionMixin:
        """The distribution of one row: event shape (D,)."""
        steps = [Splines(network).inv for network in self.networks]
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
    """A neural spline flow for these data, in their units, with fresh parameters.

    Raises:
        ValueError: for rows of one number, grey levels, or a column that is constant.
    """
    return NeuralSplineFlow(data.features, frame=frame_of(data))
