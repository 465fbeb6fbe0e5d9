"""Variational autoencoder whose latent is a direction: a point on a sphere, uniform a priori.

A Gaussian prior pulls codes towards its centre, which data on a circle or a sphere do not have. A
uniform prior on the sphere has no centre and no end.

Generative process, for each row n:
    z_n ~ Uniform( S^(M-1) ),       |z_n| = 1
    x_n ~ p(x | f(z_n)),            the likelihood, of zoo.likelihoods; f the decoder

Shapes: x (rows, D), z (rows, M); decoder f: (..., M) -> (..., D, numbers).
Densities on the sphere are taken by surface measure.
Source: Davidson, Falorsi, De Cao, Kipf and Tomczak (2018), Hyperspherical variational
auto-encoders, UAI.
Departs from the paper: decoder and likelihood are free; ReLU units.

Nothing is known exactly.
"""

import pyro
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.manifolds.sphere import SphericalUniform
from zoo.models.parts import Parts, decoder_of
from zoo.models.shapes import require_shape
from zoo.models.vaes.row import curved_likelihood, mean_row, row_given


class HypersphericalVAE(nn.Module):
    """Generative half of a variational autoencoder with a direction for each row."""

    def __init__(self, decoder: nn.Module, likelihood: nn.Module, latent: int) -> None:
        """Takes the parts.

        Args:
            decoder: z (..., M) -> outputs (..., D, numbers), or
                :class:`zoo.decoders.Autoregressive`.
            likelihood: outputs -> distribution of a row; see `zoo.likelihoods`.
            latent: number of coordinates M, at least 2.

        Raises:
            ValueError: fewer than 2 coordinates.
        """
        super().__init__()
        if latent < 2:
            raise ValueError(
                f"Expected latent of 2 coordinates or more; got {latent}. In one coordinate a "
                "sphere is the two points -1 and 1."
            )
        self.decoder, self.likelihood, self.latent = decoder, likelihood, latent

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: site z, then the observed site x.

        Args:
            x: data, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", SphericalUniform(x, self.latent))
            row = self.distribution(z)
            require_shape("x", x, (len(x), *row.event_shape))
            return pyro.sample("x", row, obs=x)

    def distribution(self, z: Tensor) -> TorchDistributionMixin:
        """p(x | z): event shape (D,), batch shape that of z (..., M)."""
        return row_given(self.decoder, self.likelihood, z)

    def decode(self, z: Tensor) -> Tensor:
        """The parameters of the likelihood: (..., M) -> (..., D, numbers)."""
        return self.decoder(z)

    def mean(self, z: Tensor) -> Tensor:
        """Expected x given z, or one draw where the decoder is autoregressive: (..., D)."""
        return mean_row(self.decoder, self.likelihood, z)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The autoencoder of these parts, with fresh parameters.

    Raises:
        ValueError: if a part does not suit the data or another part.
    """
    assert parts.latent is not None
    likelihood = curved_likelihood("hyperspherical_vae", data, parts)
    return HypersphericalVAE(decoder_of(data, parts, likelihood), likelihood, parts.latent)
