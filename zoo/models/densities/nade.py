"""Neural autoregressive distribution estimator (NADE): log p(x) is exact, without latents.

The probability of a row is the product of those of its elements, each given the elements before
it. A hidden layer of its own reads those; the hidden layers of all elements share their weights,
so that log p(x) costs D * hidden and not D^2 * hidden. A draw goes element by element.

Generative process, for each row n and element i = 1 .. D:
    h_i = sigmoid( c + sum_{j<i} W_j x_nj )
    x_ni ~ p( . ; b_i + V_i h_i),      Bernoulli by its logit, or another likelihood

Shapes: x (rows, D); W (D, hidden), V (D, hidden, numbers), c (hidden,), b (D, numbers).
Sources: Larochelle and Murray (2011), The neural autoregressive distribution estimator, AISTATS;
Uria, Murray and Larochelle (2013), RNADE, NeurIPS; Uria et al. (2016), JMLR 17.
Departs from the papers: trained by Adam; in RNADE the hidden units are sigmoids and are not scaled
by factors of their own for each element.

As `rnade`: Real-valued NADE: each element a mixture of normals, given the elements before it.

Known exactly: log p(x) of each row.
"""

import torch
from torch import Tensor, nn

from zoo.data import Data
from zoo.decoders import AutoregressiveRow
from zoo.decoders.nade import put_out, taken_in
from zoo.models.densities.row import likelihood_of, observe
from zoo.models.parts import Parts


class NADE(nn.Module):
    """p(x) with one hidden layer for each element, all sharing their weights."""

    def __init__(self, features: int, likelihood: nn.Module, hidden: int = 500) -> None:
        """Starts with small random weights and without biases.

        Args:
            features: number of elements D.
            likelihood: of an element, from its numbers; see `zoo.likelihoods`.
            hidden: units of a hidden layer.
        """
        super().__init__()
        self.likelihood, numbers = likelihood, int(likelihood.numbers)  # type: ignore[arg-type]
        self.weight = nn.Parameter(torch.randn(features, hidden) / features**0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.output = nn.Parameter(torch.randn(features, hidden, numbers) / hidden**0.5)
        self.output_bias = nn.Parameter(torch.zeros(features, numbers))

    def forward(self, x: Tensor) -> Tensor:
        """Observes rows at the site x.

        Args:
            x: data, shape (rows, D).

        Returns:
            The observed rows, shape (rows, D).

        Raises:
            ValueError: x has another width than D.
        """
        return observe(x, self.distribution())

    def distribution(self) -> AutoregressiveRow:
        """p(x) of a row: event shape (D,)."""
        zeros = torch.zeros_like(self.output_bias)
        return AutoregressiveRow(self.conditional, self.likelihood, zeros)

    def conditional(self, x: Tensor) -> Tensor:
        """The numbers of every factor p(x_i | x_<i): (..., D) -> (..., D, numbers)."""
        h = torch.sigmoid(self.hidden_bias + taken_in(x.unsqueeze(-1) * self.weight))
        return put_out(h, self.output, self.output_bias)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x): (rows, D) -> (rows,), nats."""
        return self.distribution().log_prob(x)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The model with this likelihood and fresh parameters.

    Raises:
        ValueError: the likelihood is not for these data.
    """
    return NADE(data.features, likelihood_of(data, parts))
