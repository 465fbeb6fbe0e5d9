"""Variational autoencoder of binary pictures, with a Gaussian latent vector.

A few hidden Gaussian numbers pass through a network that gives each pixel's probability of being
1. Only the generative half is written here; the encoder is a guide and can be swapped.

Generative process, for each row n:
    z_n ~ N(0, I_M), or another prior
    x_nj ~ Bernoulli(f(z_n)_j),  f(z) = sigmoid(b2 + W2 relu(b1 + W1 z))

Shapes: x (rows, D) of zeros and ones, z (rows, M); decoder M -> hidden -> D.
Source: Kingma and Welling (2014), Auto-encoding variational Bayes, ICLR.
Departs from the paper: ReLU instead of tanh units.

Nothing is known exactly.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.data import Data
from zoo.models.parts import Parts, prior_of
from zoo.models.shapes import require_shape
from zoo.nn import mlp
from zoo.priors import StandardNormal


class BernoulliVAE(nn.Module):
    """Generative half of a variational autoencoder with Bernoulli pixels."""

    def __init__(
        self,
        features: int,
        hidden: Sequence[int] = (200,),
        latent: int = 10,
        prior: nn.Module | None = None,
    ) -> None:
        """Builds the decoder.

        Args:
            features: number of pixels D.
            hidden: widths of the hidden layers, from z to x.
            latent: latent dimension M.
            prior: () -> distribution of one z, of `zoo.priors`; None for N(0, I).
        """
        super().__init__()
        self.features = features
        self.latent = latent
        self.decoder = mlp((latent, *hidden, features), nn.ReLU)
        self.prior = StandardNormal(latent) if prior is None else prior

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: site z, then the observed site x.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.features))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", dist.Bernoulli(logits=self.decode(z)).to_event(1), obs=x)

    def decode(self, z: Tensor) -> Tensor:
        """Logits of the pixels: (..., M) -> (..., D)."""
        return self.decoder(z)

    def mean(self, z: Tensor) -> Tensor:
        """Expected x given z, in [0, 1]: (..., M) -> (..., D)."""
        return torch.sigmoid(self.decode(z))


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The autoencoder of these parts, with fresh parameters.

    Raises:
        ValueError: if the prior does not go with so many latent dimensions.
    """
    assert parts.latent is not None
    prior = prior_of(data, parts)
    return BernoulliVAE(data.features, latent=parts.latent, prior=prior)
