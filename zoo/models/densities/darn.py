"""Deep autoregressive network (DARN): binary latents and pixels, each given those before it.

The latents of a row depend on each other through linear logistic conditionals, and so do the
pixels given the latents. Alone among the models of this folder it has latents, so that a guide
bounds its likelihood; with few latents all their states are summed.

Generative process, for each row n:
    z_nj ~ Bernoulli( sigmoid( a_j + sum_{k<j} A_jk z_nk ) ),                   j = 1 .. M
    x_ni ~ Bernoulli( sigmoid( b_i + sum_{k<i} B_ik x_nk + (W z_n)_i ) ),       i = 1 .. D

Shapes: x (rows, D), z (rows, M) of zeros and ones; A (M, M), B (D, D), W (D, M).
Source: Gregor, Danihelka, Mnih, Blundell and Wierstra (2014), Deep autoregressive networks, ICML.
Departs from the paper: one layer of latents; the guide is any discrete one of the zoo, trained by
the estimators of the zoo, where theirs is trained by an approximate gradient.

Known exactly: log p(x), as long as the states of the latents can be summed.
No log density checks that z is binary, so relaxed z in [0, 1] work.
"""

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.decoders import AutoregressiveRow
from zoo.models.exact_sums import blocks
from zoo.models.parts import Parts
from zoo.models.shapes import require_shape


class DARN(nn.Module):
    """Binary latents and pixels, each depending on those before it."""

    def __init__(self, features: int, latent: int = 10) -> None:
        """Starts without dependences, all latents and pixels fair coins but for small W.

        Args:
            features: number of pixels D.
            latent: number of latents M.
        """
        super().__init__()
        self.prior = Regressions(latent)
        self.pixels = Regressions(features)
        self.decoder = nn.Linear(latent, features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Generates rows: site z, then the observed site x, which it returns.

        Args:
            x: binary data as floats, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        require_shape("x", x, (len(x), self.decoder.out_features))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.distribution(z), obs=x)

    def distribution(self, z: Tensor) -> AutoregressiveRow:
        """p(x | z): event shape (D,), batch shape that of z (..., M)."""
        return self.pixels(self.decoder(z))

    def mean(self, z: Tensor) -> Tensor:
        """One draw of x given z, whose mean has no closed form: (..., M) -> (..., D)."""
        return self.distribution(z).sample()

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), summed over all states of z, 1024 at a time.

        Args:
            x: binary data as floats, shape (rows, D).

        Returns:
            Nats, shape (rows,).

        Raises:
            ValueError: there are more than 20 latents.
        """
        total = x.new_full((len(x),), -torch.inf)
        for block in blocks(self.decoder.in_features, 2):
            z = block.to(x).unsqueeze(1)
            joint = self.prior().log_prob(z) + self.distribution(z).log_prob(x)
            total = torch.logaddexp(total, joint.logsumexp(0))
        return total


class Regressions(nn.Module):
    """Each element of a row a logistic regression on the elements before it.

    Args:
        size: number of elements.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, shift: Tensor | None = None) -> AutoregressiveRow:
        """The distribution of a row, event shape (size,).

        Args:
            shift: what is added to the logits, shape (..., size); the row has its batch.
        """
        logits = self.bias if shift is None else self.bias + shift

        def conditional(x: Tensor) -> Tensor:
            return (logits + x @ self.weight.tril(-1).mT).unsqueeze(-1)

        zeros = self.bias.new_zeros(len(self.bias), 1)
        return AutoregressiveRow(conditional, _bits, zeros, logits.shape[:-1])


def _bits(numbers: Tensor) -> TorchDistributionMixin:
    return dist.Bernoulli(logits=numbers.squeeze(-1), validate_args=False).to_event(1)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The model with so many latents and fresh parameters."""
    assert parts.latent is not None
    return DARN(data.features, parts.latent)
