"""Multimodal VAE: one latent and two views of it, either of which may be missing.

A few hidden Gaussian numbers give a picture through one network and its label, or its other half,
through another. A row may have both views or only one; the guide infers z from the views that are
there, and the decoders predict the missing one.

Generative process, for each row n:
    z_n ~ N(0, I_M), or another prior r(z)
    x_nj ~ Bernoulli(sigmoid(f(z_n)_j)),                 where seen_n0 = 1
    y_n  ~ OneHotCategorical(softmax(g(z_n))), a label,
           or y_nj ~ Bernoulli(sigmoid(g(z_n)_j)), bits,  where seen_n1 = 1

Shapes: x (rows, D) and y (rows, E) of zeros and ones, all zeros where missing; seen (rows, 2) of
zeros and ones; z (rows, M); decoders M -> hidden -> D and M -> hidden -> E.
Source: Wu and Goodman (2018), Multimodal generative models for scalable weakly-supervised
learning, NeurIPS.
Departs from the paper: the likelihood of the label is not weighted up, so that the loss bounds
-log p; ReLU instead of Swish units; the product of experts is a guide.

A missing view adds 0 to the log-likelihood: the bound is on log p(x), log p(y) or log p(x, y), as
the row has x, y or both. Data simulated for `wake_sleep` and `rws` have both views; of the guides,
only `product_of_experts` then still ignores a view that the row lacks. One factor of that guide's
product is N(0, I) under any prior. Under another prior its ELBO is still a bound; the experts
learn to make up for the difference, and where no view is there, the gap stays.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.models.parts import Parts, prior_of
from zoo.models.shapes import require_shape
from zoo.nn import mlp
from zoo.priors import StandardNormal


class MultimodalVAE(nn.Module):
    """Generative half of a variational autoencoder of two modalities."""

    def __init__(
        self,
        features: int,
        others: int,
        hidden: Sequence[int] = (200,),
        latent: int = 10,
        prior: nn.Module | None = None,
        *,
        labelled: bool,
    ) -> None:
        """Builds the two decoders.

        Args:
            features: number of pixels D of x.
            others: number of classes or pixels E of y.
            hidden: widths of the hidden layers of each decoder, from z on.
            latent: latent dimension M.
            prior: () -> distribution of one z, of `zoo.priors`; None for N(0, I).
            labelled: is y a label, one-hot? Otherwise it is bits.
        """
        super().__init__()
        self.features, self.others, self.latent = features, others, latent
        self.labelled = labelled
        self.decoder = mlp((latent, *hidden, features), nn.ReLU)
        self.decoder_y = mlp((latent, *hidden, others), nn.ReLU)
        self.prior = StandardNormal(latent) if prior is None else prior

    def forward(self, x: Tensor, y: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Generates rows: site z, then the observed sites x and y where they are seen.

        Args:
            x: binary data as floats, shape (rows, D).
            y: one-hot labels or binary data as floats, shape (rows, E).
            seen: which of x and y a row shows, zeros and ones, shape (rows, 2).

        Returns:
            The observed rows, shapes (rows, D) and (rows, E).

        Raises:
            ValueError: an argument has another shape.
        """
        require_shape("x", x, (len(x), self.features))
        require_shape("y", y, (len(x), self.others))
        require_shape("seen", seen, (len(x), 2))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())
            x = pyro.sample("x", self.of_x(z).mask(seen[:, 0] > 0), obs=x)
            y = pyro.sample("y", self.of_y(z).mask(seen[:, 1] > 0), obs=y)
        return x, y

    def of_x(self, z: Tensor) -> TorchDistributionMixin:
        """p(x | z): batch shape that of z (..., M), event shape (D,)."""
        return dist.Bernoulli(logits=self.decoder(z)).to_event(1)

    def of_y(self, z: Tensor) -> TorchDistributionMixin:
        """p(y | z): batch shape that of z (..., M), event shape (E,)."""
        logits = self.decoder_y(z)
        if self.labelled:  # a missing label is all zeros, which validation would refuse
            return dist.OneHotCategorical(logits=logits, validate_args=False)
        return dist.Bernoulli(logits=logits).to_event(1)

    def mean(self, z: Tensor) -> Tensor:
        """Expected x given z, in [0, 1]: (..., M) -> (..., D)."""
        return self.of_x(z).mean


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The autoencoder of two views of these parts, with fresh parameters.

    Raises:
        ValueError: for a prior that recognises whole rows.
    """
    assert parts.latent is not None
    if parts.recognises:
        raise ValueError(
            f"Prior '{parts.prior}' mixes what one network recognises in whole rows; a row of "
            "multimodal_vae has two views, either of which may be missing. Use prior 'mixture'."
        )
    return MultimodalVAE(
        data.features,
        data.train[1].shape[-1],
        latent=parts.latent,
        prior=prior_of(data, parts),
        labelled=data.labelled,
    )
