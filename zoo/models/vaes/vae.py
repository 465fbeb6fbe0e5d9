"""Variational autoencoder built from three parts: prior, decoder and likelihood.

A vector drawn from the prior passes through the decoder, whose outputs are the parameters of the
likelihood of a row. Every part is a module and can be swapped; the encoder is a guide.

Generative process, for each row n:
    z_n ~ r(z),                     the prior, of zoo.priors
    x_n ~ p(x | f(z_n)),            the likelihood, of zoo.likelihoods; f the decoder

Shapes: x (rows, D), z (rows, M); decoder f: (..., M) -> (..., D, numbers).
Sources: Kingma and Welling (2014), Auto-encoding variational Bayes, ICLR; Rezende, Mohamed and
Wierstra (2014), Stochastic backpropagation and approximate inference, ICML.
Departs from the papers: prior, decoder and likelihood are free.

Nothing is known exactly.
"""

import pyro
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.likelihoods import LIKELIHOODS
from zoo.models.parts import Parts, check_likelihood, decoder_of, prior_of
from zoo.models.shapes import require_shape
from zoo.models.vaes.dequantised_vae import dequantised
from zoo.models.vaes.row import mean_row, row_given


class VAE(nn.Module):
    """Generative half of a variational autoencoder."""

    def __init__(self, decoder: nn.Module, likelihood: nn.Module, prior: nn.Module) -> None:
        """Takes the parts.

        Args:
            decoder: z (..., M) -> outputs (..., D, numbers), or
                :class:`zoo.decoders.Autoregressive`.
            likelihood: outputs -> distribution of a row; see `zoo.likelihoods`.
            prior: () -> distribution of one z; see `zoo.priors`.
        """
        super().__init__()
        self.decoder, self.likelihood, self.prior = decoder, likelihood, prior

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
            z = pyro.sample("z", self.prior())
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
    """The autoencoder of these parts, with fresh parameters; dequantised if the likelihood is.

    Raises:
        ValueError: if a part does not suit the data or another part.
    """
    assert parts.likelihood is not None
    check_likelihood(parts.likelihood, data)
    choice = LIKELIHOODS[parts.likelihood]
    likelihood = choice.build(data.levels)
    if choice.dequantises:
        return dequantised(data, parts, parts.likelihood, likelihood)
    return VAE(decoder_of(data, parts, likelihood), likelihood, prior_of(data, parts))
