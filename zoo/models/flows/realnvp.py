"""RealNVP: a density made of affine couplings, each of which moves one half of x by the other.

A network reads one half of the numbers and says how the other half is to be shifted and scaled.
Undoing that takes the same network once more, so that draws and densities both take one pass.

Generative process, for each row n, with A the first half of the numbers and B the second:
    u ~ N(0, I_D)
    v_A = u_A,   v_B = exp(a(u_A)) * u_B + m(u_A),   then the order of v is reversed; `depth` times
    x = the units of the data of v

    log p(x) = log N(u; 0, I) - sum over couplings of sum_i a(u_A)_i - log |det| of the units

The Jacobian of a coupling is triangular with diagonal (1, exp(a)), whence its determinant. The
inverse is closed: u_B = (v_B - m(v_A)) * exp(-a(v_A)).

Shapes: x (rows, D); each network D // 2 -> hidden -> twice D - D // 2, for m and a.
Source: Dinh, Sohl-Dickstein and Bengio (2017), Density estimation using Real NVP, ICLR.
Departs from the paper: no batch normalisation, no multi-scale architecture and no convolutions; x
is a vector, and a reversal of its order takes the place of alternating masks.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.flows.couplings import coupling_networks, couplings
from zoo.models.flows.frame import Frame, frame_of, require_two, standard
from zoo.models.shapes import require_shape
from zoo.priors.standard import StandardNormal


class RealNVP(nn.Module):
    """Affine couplings on a standard normal; it has no latents."""

    flipped: Tensor

    def __init__(
        self,
        features: int,
        depth: int = 8,
        hidden: Sequence[int] = (64, 64),
        frame: Frame | None = None,
    ) -> None:
        """Builds the networks.

        Args:
            features: D, at least 2.
            depth: number of couplings.
            hidden: widths of the hidden layers of a coupling's network.
            frame: from v to the units of the data; None for x = v.

        Raises:
            ValueError: for fewer than two features.
        """
        super().__init__()
        require_two(features)
        self.features = features
        self.base = StandardNormal(features)
        self.networks = coupling_networks(features, depth, hidden)
        self.register_buffer("flipped", torch.arange(features).flip(0), persistent=False)
        self.frame = standard(features) if frame is None else frame

    def density(self) -> TorchDistributionMixin:
        """The distribution of one row: event shape (D,)."""
        steps = couplings(self.networks, self.flipped)
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
    """A RealNVP for these data, in their units, with fresh parameters.

    Raises:
        ValueError: for rows of one number, grey levels, or a column that is constant.
    """
    return RealNVP(data.features, frame=frame_of(data))
