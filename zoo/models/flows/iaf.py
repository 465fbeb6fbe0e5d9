"""Inverse autoregressive flow (IAF) as a density: quick draws, slow densities of given rows.

The networks read the noise and not the data: a draw takes one pass through each. The density of a
row that is given needs its noise, which must be found one number after the other: D passes through
each network, for each gradient too. That is why IAF serves as a guide, where only its own draws
are scored, and MAF, its mirror image, as a density. Take tables of few columns here.

Generative process, for each row n, with a step's order first to last or last to first in turn:
    u ~ N(0, I_D)
    v_i = exp(a_i(u_<i)) * u_i + m_i(u_<i),   all numbers at once; `depth` times
    x = the units of the data of v

    log p(x) = log N(u; 0, I) - sum over steps of sum_i a_i(u_<i) - log |det| of the units

The Jacobian is triangular with diagonal exp(a). The inverse is closed, and sequential:
u_i = (v_i - m_i(u_<i)) * exp(-a_i(u_<i)).

Shapes: x (rows, D); each network D -> hidden -> 2 D, masked.
Source: Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016), Improving variational
inference with inverse autoregressive flow, NeurIPS.
Departs from the paper: a density of data, and no guide; exp(a) in the place of a sigmoid gate.
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


class InverseAutoregressiveDensity(nn.Module):
    """Inverse autoregressive steps on a standard normal; it has no latents."""

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
        steps = [transforms.AffineAutoregressive(network) for network in self.networks]
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
    """An inverse autoregressive flow for these data, in their units, with fresh parameters.

    Raises:
        ValueError: for rows of one number, grey levels, or a column that is constant.
    """
    return InverseAutoregressiveDensity(data.features, frame=frame_of(data))
