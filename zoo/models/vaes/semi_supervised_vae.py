"""Semi-supervised VAE (M2): a class and a code make a picture; few rows say their class.

A picture comes from its class and from a code for all else, such as the style of a handwriting.
The class of a few rows is known; that of the others is a latent, which is summed out or drawn.
What the unlabelled rows say of the pictures helps to tell the classes apart.

Generative process, for each row n:
    y_n ~ OneHotCategorical(1/K, .., 1/K)
    z_n ~ N(0, I_M), or another prior r(z)
    label_n ~ OneHotCategorical(1/K, .., 1/K),     where labelled_n = 1
    c_n = label_n where labelled_n = 1, else y_n,  the class that the picture is made from
    x_nj ~ Bernoulli(sigmoid(f(c_n, z_n)_j))

Shapes: x (rows, D) of zeros and ones; label (rows, K) one-hot, zeros where there is none; labelled
(rows, 1) of zeros and ones; y (rows, K), z (rows, M); decoder K + M -> hidden -> D.
Source: Kingma, Rezende, Mohamed and Welling (2014), Semi-supervised learning with deep generative
models, NeurIPS; model M2. Compare Pyro's example ss-vae.
Departs from the paper: the classes have equal probabilities, which are not learned; ReLU units;
the term that trains the classifier is the objective `classified`, so that the model is a model.

What is scored: log p(x, label) of a labelled row, log p(x) = log sum_y p(x, y) of another. A
labelled row has a y as well, which nothing depends on: it adds nothing to the evidence, its
posterior is its prior, and no guide can gain by it. Pyro's `obs_mask` masks such a y instead; a
sum over its K values would then count a labelled row K times.
"""

from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.models.parts import Parts, prior_of
from zoo.models.shapes import require_shape
from zoo.nn import beside, mlp
from zoo.priors import StandardNormal


class SemiSupervisedVAE(nn.Module):
    """Generative half of the semi-supervised autoencoder."""

    def __init__(
        self,
        features: int,
        classes: int,
        hidden: Sequence[int] = (200,),
        latent: int = 10,
        prior: nn.Module | None = None,
    ) -> None:
        """Builds the decoder.

        Args:
            features: number of pixels D.
            classes: number of classes K, at least 2.
            hidden: widths of the decoder's hidden layers, from class and code on.
            latent: dimension M of the code.
            prior: () -> distribution of one z, of `zoo.priors`; None for N(0, I).

        Raises:
            ValueError: there are fewer than two classes.
        """
        super().__init__()
        if classes < 2:
            raise ValueError(f"Expected at least 2 classes; got {classes}. Give them all.")
        self.features, self.classes, self.latent = features, classes, latent
        self.decoder = mlp((classes + latent, *hidden, features), nn.ReLU)
        self.prior = StandardNormal(latent) if prior is None else prior

    def forward(self, x: Tensor, label: Tensor, labelled: Tensor) -> Tensor:
        """Generates rows: sites y and z, then the observed sites label and x.

        Args:
            x: binary data as floats, shape (rows, D).
            label: one-hot classes, shape (rows, K); zeros where there is none.
            labelled: whether a row has a label, zeros and ones, shape (rows, 1).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: an argument has another shape.
        """
        require_shape("x", x, (len(x), self.features))
        require_shape("label", label, (len(x), self.classes))
        require_shape("labelled", labelled, (len(x), 1))
        known = labelled > 0
        with pyro.plate("data", len(x)):
            y = pyro.sample("y", self.of_class(x))
            z = pyro.sample("z", self.prior())
            label = pyro.sample("label", self.of_class(x).mask(known[:, 0]), obs=label)
            return pyro.sample("x", self.of_x(torch.where(known, label, y), z), obs=x)

    def of_class(self, x: Tensor) -> TorchDistributionMixin:
        """p(y): event shape (K,), on the device of x."""
        # A missing label is all zeros, which validation would refuse.
        return dist.OneHotCategorical(logits=x.new_zeros(self.classes), validate_args=False)

    def of_x(self, y: Tensor, z: Tensor) -> TorchDistributionMixin:
        """p(x | y, z): (..., K) and (..., M) -> batch shape (...), event shape (D,)."""
        return dist.Bernoulli(logits=self.decoder(beside(y, z))).to_event(1)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The autoencoder of these parts, with fresh parameters.

    Raises:
        ValueError: for a prior that recognises whole rows.
    """
    assert parts.latent is not None
    if parts.recognises:
        raise ValueError(
            f"Prior '{parts.prior}' mixes what one network recognises in whole rows; a row of "
            "semi_supervised_vae is a picture and a label that may be missing. Use prior "
            "'mixture'."
        )
    classes = data.train[1].shape[-1]
    prior = prior_of(data, parts)
    return SemiSupervisedVAE(data.features, classes, latent=parts.latent, prior=prior)
