"""Variational autoencoder of real-valued data, with a Gaussian latent vector.

A few hidden Gaussian numbers pass through a network that gives the expected row; the noise around
it is the same in every direction. With a linear network it would be probabilistic PCA.

Generative process, for each row n:
    z_n ~ N(0, I_M), or another prior
    x_n ~ N(theta(z_n), s^2 I_D),  s = 1 or learned

Shapes: x (rows, D), z (rows, M); decoder theta: M -> hidden -> D; log_scale log s ().
Source: Kingma and Welling (2014), Auto-encoding variational Bayes, ICLR.
Departs from the paper: ReLU instead of tanh units; one s for all rows and columns instead of a
network for it; the output is not squashed into (0, 1).

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


class GaussianVAE(nn.Module):
    """Generative half of a variational autoencoder with Gaussian outputs."""

    log_scale: Tensor

    def __init__(
        self,
        features: int,
        hidden: Sequence[int] = (300,),
        latent: int = 10,
        prior: nn.Module | None = None,
        *,
        learned_scale: bool = False,
    ) -> None:
        """Builds the decoder and sets s = 1.

        Args:
            features: data dimension D.
            hidden: widths of the hidden layers, from z to x.
            latent: latent dimension M.
            prior: () -> distribution of one z, of `zoo.priors`; None for N(0, I).
            learned_scale: log s is a parameter; otherwise a constant, zero.
        """
        super().__init__()
        self.features = features
        self.latent = latent
        self.decoder = mlp((latent, *hidden, features), nn.ReLU)
        self.prior = StandardNormal(latent) if prior is None else prior
        if learned_scale:
            self.log_scale = nn.Parameter(torch.zeros(()))
        else:
            self.register_buffer("log_scale", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: site z, then the observed site x.

        Args:
            x: data, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.features))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())
            outputs = dist.Normal(self.decode(z), self.log_scale.exp())
            return pyro.sample("x", outputs.to_event(1), obs=x)

    def decode(self, z: Tensor) -> Tensor:
        """The network theta: (..., M) -> (..., D)."""
        return self.decoder(z)

    def mean(self, z: Tensor) -> Tensor:
        """Expected x given z, which is theta(z): (..., M) -> (..., D)."""
        return self.decode(z)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The autoencoder with a learned scale, of these parts, with fresh parameters.

    Raises:
        ValueError: if the prior does not go with so many latent dimensions.
    """
    assert parts.latent is not None
    prior = prior_of(data, parts)
    return GaussianVAE(data.features, latent=parts.latent, prior=prior, learned_scale=True)
