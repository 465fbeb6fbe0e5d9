"""Variational autoencoder whose latent is a point of hyperbolic space, where trees fit in.

The area of a disc in the hyperbolic plane grows exponentially with its radius, as the number of
nodes of a tree does with its depth. A tree therefore fits in with little distortion.

Generative process, for each row n:
    v_n ~ N(0, I_M),  z_n = (cosh|v_n|, sinh|v_n| v_n / |v_n|),   the wrapped normal at the origin
    x_n ~ p(x | f(z_n)),            the likelihood, of zoo.likelihoods; f the decoder

Shapes: x (rows, D), z (rows, M + 1) with z_0^2 = 1 + z_1^2 + ... + z_M^2; decoder f: (..., M + 1)
-> (..., D, numbers). Densities on the space are taken by its Riemannian volume.
As a distribution of x it is a VAE with a normal latent v, whose decoder reads (cosh|v|, ...): what
the space changes is the decoder's input and the guide, whose spread has the same size anywhere.
Source: Nagano, Yamaguchi, Fujita and Koyama (2019), A wrapped normal distribution on hyperbolic
space for gradient-based learning, ICML.
Departs from the paper: decoder and likelihood are free; ReLU units.

Nothing is known exactly.
"""

from dataclasses import replace

import pyro
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.manifolds.lorentz_normal import origin, wrapped_normal
from zoo.models.parts import Parts, decoder_of
from zoo.models.shapes import require_shape
from zoo.models.vaes.row import curved_likelihood, mean_row, row_given


class HyperbolicVAE(nn.Module):
    """Generative half of a variational autoencoder with a point of hyperbolic space a row."""

    def __init__(self, decoder: nn.Module, likelihood: nn.Module, latent: int) -> None:
        """Takes the parts.

        Args:
            decoder: z (..., M + 1) -> outputs (..., D, numbers), or
                :class:`zoo.decoders.Autoregressive`.
            likelihood: outputs -> distribution of a row; see `zoo.likelihoods`.
            latent: the dimension M of the space.
        """
        super().__init__()
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
        centre = origin(self.latent, x)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", wrapped_normal(centre, centre.new_ones(self.latent)))
            row = self.distribution(z)
            require_shape("x", x, (len(x), *row.event_shape))
            return pyro.sample("x", row, obs=x)

    def distribution(self, z: Tensor) -> TorchDistributionMixin:
        """p(x | z): event shape (D,), batch shape that of z (..., M + 1)."""
        return row_given(self.decoder, self.likelihood, z)

    def decode(self, z: Tensor) -> Tensor:
        """The parameters of the likelihood: (..., M + 1) -> (..., D, numbers)."""
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
    likelihood = curved_likelihood("hyperbolic_vae", data, parts)
    decoder = decoder_of(data, replace(parts, latent=parts.latent + 1), likelihood)
    return HyperbolicVAE(decoder, likelihood, parts.latent)
