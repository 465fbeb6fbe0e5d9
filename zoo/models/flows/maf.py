"""Masked autoregressive flow (MAF): steps in which each number is normal given those before it.

One masked network reads the whole row and gives every number its mean and scale, from the numbers
before it alone. The density takes one pass through each network; a draw takes D passes through
each, since a number must be there before the next one's mean is known. IAF is the mirror image.

Generative process, for each row n, with a step's order first to last or last to first in turn:
    u ~ N(0, I_D)
    v_i = (u_i - m_i(v_<i)) * exp(-a_i(v_<i)),   one number after the other; `depth` times
    x = the units of the data of v

    log p(x) = log N(u; 0, I) + sum over steps of sum_i a_i(v_<i) - log |det| of the units

where u_i = exp(a_i) * v_i + m_i is read off v in one pass: its Jacobian is triangular with
diagonal exp(a). The inverse, a draw, is closed, and sequential.

Shapes: x (rows, D); each network D -> hidden -> 2 D, masked.
Source: Papamakarios, Pavlakou and Murray (2017), Masked autoregressive flow for density
estimation, NeurIPS.
Departs from the paper: no batch normalisation between steps; a and m are those of u given v, and
not of v given u, which is the same family.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
from pyro.distributions import transforms
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.models.flows.frame import Frame, frame_of, require_two, standard
from zoo.models.shapes import require_shape
from zoo.priors.masked import masked_network
from zoo.priors.standard import StandardNormal


class MAF(nn.Module):
    """Masked autoregressive steps on a standard normal; it has no latents."""

    def __init__(
        self,
        features: int,
        depth: int = 5,
        hidden: Sequence[int] = (64, 64),
        frame: Frame | None = None,
    ) -> None:
        """Builds the networks.

        Args:
            features: D, at least 2.
            depth: number of steps.
            hidden: widths of the hidden layers of a step's network.
            frame: from v to the units of the data; None for x = v.

        Raises:
            ValueError: for fewer than two features.
        """
        super().__init__()
        require_two(features)
        self.features = features
        self.base = StandardNormal(features)
        self.networks = nn.ModuleList(
            masked_network(features, hidden, (1, 1), backwards=i % 2 == 1) for i in range(depth)
        )
        self.frame = standard(features) if frame is None else frame

    def density(self) -> TorchDistributionMixin:
        """The distribution of one row: event shape (D,)."""
        # new transforms for each call: they cache their last values, which would stay in the model
        steps = [transforms.AffineAutoregressive(network).inv for network in self.networks]
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
    """A masked autoregressive flow for these data, in their units, with fresh parameters.

    Raises:
        ValueError: for rows of one number, grey levels, or a column that is constant.
    """
    return MAF(data.features, frame=frame_of(data))
