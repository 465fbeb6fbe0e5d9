"""Variational autoencoder of grey levels, made continuous by noise in each bin.

A density gives no probability to a grey level; its integral over the bin of the level does. Noise
u in the bin is a latent. With uniform noise in the guide this is uniform dequantisation; with
noise that the guide draws given the row it is variational dequantisation, whose bound is tighter.

Generative process, for each row n of levels k_n in {0, ..., L - 1}^D:
    z_n ~ r(z),                        the prior, of zoo.priors
    u_n ~ Uniform(0, 1)^D
    k_n + u_n ~ L y,  y ~ p(y | f(z_n)),   a density, of zoo.likelihoods; f the decoder

so that P(k | z) = integral over u of p((k + u) / L | z) L^-D, and every bound on the joint density
with q(z, u | x) is one on log P(k). Mass of the density outside [0, 1]^D belongs to no level, so P
sums to less than 1 by that much.

Shapes: x = k / (L - 1) (rows, D), z (rows, M), u (rows, D); f: (..., M) -> (..., D, numbers).
Sources: Uria, Murray and Larochelle (2013), RNADE, NeurIPS; Theis, van den Oord and Bethge (2016),
A note on the evaluation of generative models, ICLR (uniform); Ho, Chen, Srinivas, Duan and Abbeel
(2019), Flow++, ICML (variational).
Departs from the papers: the density is a variational autoencoder's.

Nothing is known exactly.
"""

import pyro
import pyro.distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from pyro.distributions.transforms import AffineTransform
from torch import Tensor, nn

from zoo.data import Data
from zoo.decoders import Autoregressive
from zoo.distributions import unit_cube
from zoo.likelihoods import DequantisedLikelihood
from zoo.likelihoods.levels import index_of
from zoo.models.parts import Parts, check_likelihood, decoder_of, prior_of
from zoo.models.shapes import require_shape
from zoo.models.vaes.row import mean_row, row_given


class DequantisedVAE(nn.Module):
    """Generative half of an autoencoder over levels with noise in their bins."""

    def __init__(
        self, decoder: nn.Module, likelihood: nn.Module, prior: nn.Module, levels: int
    ) -> None:
        """Takes the parts.

        Args:
            decoder: z (..., M) -> outputs (..., D, numbers).
            likelihood: outputs -> density of y in R^D; see `zoo.likelihoods`.
            prior: () -> distribution of one z; see `zoo.priors`.
            levels: number of grey levels L.

        Raises:
            ValueError: for fewer than two levels.
        """
        super().__init__()
        if levels < 2:
            raise ValueError(f"Expected levels of at least 2; got {levels}.")
        self.decoder, self.likelihood, self.prior = decoder, likelihood, prior
        self.levels = levels

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: sites z and u, then the observed site x, which holds k + u.

        Args:
            x: grey levels k / (L - 1), shape (rows, D).

        Returns:
            k + u, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())
            filled = self.filled(z)
            require_shape("x", x, (len(x), *filled.event_shape))
            u = pyro.sample("u", unit_cube(x.shape[-1], x))
            return pyro.sample("x", filled, obs=index_of(x, self.levels) + u)

    def filled(self, z: Tensor) -> TorchDistributionMixin:
        """The density of L y = k + u: event shape (D,), batch shape that of z (..., M)."""
        y = row_given(self.decoder, self.likelihood, z)
        return dist.TransformedDistribution(y, [AffineTransform(0.0, self.levels, event_dim=1)])

    def decode(self, z: Tensor) -> Tensor:
        """The parameters of the density: (..., M) -> (..., D, numbers)."""
        return self.decoder(z)

    def mean(self, z: Tensor) -> Tensor:
        """Expected x given z: that of y less half a bin, kept in [0, 1]: (..., M) -> (..., D)."""
        y = mean_row(self.decoder, self.likelihood, z)
        return ((self.levels * y - 0.5) / (self.levels - 1)).clamp(0, 1)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The dequantised autoencoder of these parts, with fresh parameters; its density is Gaussian.

    Raises:
        ValueError: if a part does not suit the data or another part.
    """
    check_likelihood("dequantised", data)
    return dequantised(data, parts, "dequantised", DequantisedLikelihood())


def dequantised(data: Data, parts: Parts, name: str, likelihood: nn.Module) -> DequantisedVAE:
    """The dequantised autoencoder with a given density of y.

    Args:
        data: what the model is for.
        parts: its decoder, prior and latent dimension are taken.
        name: what to call the density in the message.
        likelihood: the density.

    Raises:
        ValueError: if the decoder reads grey levels, which the density does not give.
    """
    decoder = decoder_of(data, parts, likelihood)
    if isinstance(decoder, Autoregressive):
        raise ValueError(
            f"Likelihood '{name}' is a density of levels with noise; decoder '{parts.decoder}' "
            "reads the levels themselves. Use decoder 'mlp' or 'gated', or model 'vae' with the "
            "likelihood 'logistic_mixture'."
        )
    return DequantisedVAE(decoder, likelihood, prior_of(data, parts), data.levels)
