"""Variational autoencoder with categorical (one-hot) latents.

A network turns N variables of k classes each, written as one-hot vectors, into the probabilities
of a picture's pixels. With Gumbel-softmax draws instead of one-hot ones the gradient can be
reparameterised, and is biased.

Generative process, for each row n:
    z_nv ~ OneHotCategorical(1/k, ..., 1/k), v = 1..N; this uniform prior is fixed, not learned
    x_nj ~ Bernoulli(DNN(z_n)_j), with z_n flattened

Shapes: x (rows, D) of zeros and ones, z (rows, N, k); decoder N k -> hidden -> D.
Sources: Jang, Gu and Poole (2017), Categorical reparameterization with Gumbel-softmax, ICLR;
Maddison, Mnih and Teh (2017), The concrete distribution, ICLR.
Departs from the papers: the generative half only; ReLU units, one hidden layer of 200 by default.

The log prior of z is the constant -N log k and is not checked to be at a vertex, so a relaxed z in
the interior of the simplices works.
"""

import math
from collections.abc import Sequence

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from zoo.models.exact_sums import bernoulli_log_likelihood, blocks
from zoo.models.shapes import require_shape
from zoo.nn import mlp


class CategoricalVAE(nn.Module):
    """Generative half of an autoencoder whose latents are one-hot vectors."""

    def __init__(
        self,
        features: int,
        variables: int = 10,
        classes: int = 8,
        hidden: Sequence[int] = (200,),
    ) -> None:
        """Builds the decoder.

        Args:
            features: number of pixels D.
            variables: number of categorical latents N.
            classes: number of classes k of each.
            hidden: widths of the hidden layers, from z to x.
        """
        super().__init__()
        self.features = features
        self.variables = variables
        self.classes = classes
        self.decoder = mlp((variables * classes, *hidden, features), nn.ReLU)

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
        logits = x.new_zeros(self.variables, self.classes)
        prior = dist.OneHotCategorical(logits=logits, validate_args=False).to_event(1)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", prior)
            return pyro.sample("x", dist.Bernoulli(logits=self.decode(z)).to_event(1), obs=x)

    def decode(self, z: Tensor) -> Tensor:
        """Logits of the pixels: (..., N, k) -> (..., D)."""
        return self.decoder(z.flatten(-2))

    def mean(self, z: Tensor) -> Tensor:
        """Expected x given z, in [0, 1]: (..., N, k) -> (..., D)."""
        return torch.sigmoid(self.decode(z))

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), summed over all k^N states, 1024 at a time.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            Nats, shape (rows,).

        Raises:
            ValueError: there are more than 2^20 states.
        """
        total = x.new_full((len(x),), -torch.inf)
        for block in blocks(self.variables, self.classes):
            logits = self.decode(one_hot(block, self.classes).to(x))
            total = torch.logaddexp(total, bernoulli_log_likelihood(x, logits).logsumexp(-1))
        return total - self.variables * math.log(self.classes)
