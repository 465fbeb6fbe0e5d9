"""Affine autoregressive flow as a density: MAF and IAF are its two directions.

A step maps one row to another by numbers that a masked network reads off the first, each from
those before it. MAF reads the data: densities take one pass, draws D of them. IAF reads the noise:
draws take one pass, densities D of them. `maf` and `iaf` have the formulas of each.

Generative process, for each row n, with a step's order first to last or last to first in turn:
    u ~ N(0, I_D)
    v_i = (u_i - m_i(v_<i)) * exp(-a_i(v_<i))     MAF, `depth` times
    v_i = exp(a_i(u_<i)) * u_i + m_i(u_<i)        IAF, `depth` times
    x = the units of the data of v

Shapes: x (rows, D); each network D -> hidden -> 2 D, masked.
Sources: Papamakarios, Pavlakou and Murray (2017), Masked autoregressive flow for density
estimation, NeurIPS; Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016), Improving
variational inference with inverse autoregressive flow, NeurIPS.
Departs from the papers: see `zoo.models.flows.maf` and `zoo.models.flows.iaf`.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
from pyro.distributions import transforms
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.models.flows.frame import Frame, require_two, standard
from zoo.models.shapes import require_shape
from zoo.priors.masked import masked_network
from zoo.priors.standard import StandardNormal


class AutoregressiveFlow(nn.Module):
    """Affine autoregressive steps on a standard normal; it has no latents."""

    def __init__(
        self,
        features: int,
        depth: int = 5,
        hidden: Sequence[int] = (64, 64),
        frame: Frame | None = None,
        *,
        reads_noise: bool,
    ) -> None:
        """Builds the networks.

        Args:
            features: D, at least 2.
            depth: number of steps.
            hidden: widths of the hidden layers of a step's network.
            frame: from v to the units of the data; None for x = v.
            reads_noise: do the networks read the noise (IAF), and not the data (MAF)?

        Raises:
            ValueError: for fewer than two features.
        """
        super().__init__()
        require_two(features)
        self.features, self.reads_noise = features, reads_noise
        self.base = StandardNormal(features)
        self.networks = nn.ModuleList(
            masked_network(features, hidden, (1, 1), backwards=i % 2 == 1) for i in range(depth)
        )
        self.frame = standard(features) if frame is None else frame

    def density(self) -> TorchDistributionMixin:
        """The distribution of one row: event shape (D,)."""
        # new transforms for each call: they cache their last values, which would stay in the model
        forth = [transforms.AffineAutoregressive(network) for network in self.networks]
        steps = forth if self.reads_noise else [step.inv for step in forth]
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
