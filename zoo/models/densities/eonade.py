"""NADE for all orders of the elements (EoNADE): one network, trained under a new order each step.

The network sees a row with some elements hidden, and which these are, and predicts those. In
training each row gets a random order o and a random number d of elements that are seen. In eval
mode, as in scoring and drawing, log p(x) is exact: the mean probability under K fixed orders.

Generative process, for each row n and place i = 1 .. D of an order o (one of K, each with 1/K):
    h_i = net( sigmoid( c + sum_{j<i} ( W_o(j) x_n,o(j) + U_o(j) ) ) )
    x_n,o(i) ~ p( . ; b_o(i) + V_o(i) h_i),      Bernoulli by its logit, or another likelihood

Training maximises an unbiased estimate of E_o log p(x | o), a bound on log E_o p(x | o):
    D / (D - d) sum_{i>d} log p(x_o(i) | x_o(1), .. x_o(d)),    d uniform in 0 .. D-1.

Shapes: x (rows, D); W, U (D, hidden), V (D, hidden, numbers), c (hidden,), b (D, numbers).
Source: Uria, Murray and Larochelle (2014), A deep and tractable density estimator, ICML.
Departs from the paper: sigmoid units in the first hidden layer; every row of a minibatch has an
order of its own; trained by Adam.

Known exactly: log p(x) of each row, under each of the K orders and of their mixture.
"""

from collections.abc import Sequence

import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.data import Data
from zoo.decoders import AutoregressiveRow
from zoo.decoders.nade import put_out, taken_in
from zoo.models.densities.row import Ensemble, likelihood_of, observe
from zoo.models.parts import Parts
from zoo.nn import mlp


class EoNADE(nn.Module):
    """p(x) as a mixture over orders, by one network that is trained for all of them."""

    orders: Tensor

    def __init__(
        self, features: int, likelihood: nn.Module, hidden: Sequence[int] = (500,), orders: int = 4
    ) -> None:
        """Draws the orders of the mixture, which stay as they are, and small random weights.

        Args:
            features: number of elements D.
            likelihood: of an element, from its numbers; see `zoo.likelihoods`.
            hidden: units of the hidden layers.
            orders: K.
        """
        super().__init__()
        self.likelihood, numbers = likelihood, int(likelihood.numbers)  # type: ignore[arg-type]
        self.weight = nn.Parameter(torch.randn(features, hidden[0]) / features**0.5)
        self.seen_weight = nn.Parameter(torch.zeros(features, hidden[0]))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden[0]))
        self.upper = nn.Sequential(mlp(hidden), nn.ReLU()) if len(hidden) > 1 else nn.Identity()
        self.output = nn.Parameter(torch.randn(features, hidden[-1], numbers) / hidden[-1] ** 0.5)
        self.output_bias = nn.Parameter(torch.zeros(features, numbers))
        shuffled = [torch.randperm(features) for _ in range(orders)]
        self.register_buffer("orders", torch.stack(shuffled))

    def forward(self, x: Tensor) -> Tensor:
        """Observes rows (rows, D) at the site x, in training by the estimate, and returns them."""
        return observe(x, self.distribution())

    def distribution(self) -> TorchDistributionMixin:
        """p(x) of a row, event shape (D,); in training its log-probability is the estimate."""
        members = [self.under(order) for order in self.orders]
        return Ensemble(members, self.estimate if self.training else None)

    def under(self, order: Tensor) -> AutoregressiveRow:
        """p(x | o) of a row: event shape (D,), for an order of shape (D,)."""

        def conditional(x: Tensor) -> Tensor:
            parts = x.unsqueeze(-1) * self.weight + self.seen_weight
            h = self._hidden(taken_in(parts.index_select(-2, order)))
            numbers = put_out(h, self.output[order], self.output_bias[order])
            return numbers.index_select(-2, order.argsort())

        return AutoregressiveRow(
            conditional, self.likelihood, torch.zeros_like(self.output_bias), order=order
        )

    def estimate(self, x: Tensor) -> Tensor:
        """An unbiased estimate of E_o log p(x | o), nats: (..., D) -> (...)."""
        count = x.shape[-1]
        place = torch.rand_like(x).argsort(-1).argsort(-1)
        split = (torch.rand_like(x[..., :1]) * count).floor()
        seen = (place < split).to(x.dtype)
        h = self._hidden((x * seen) @ self.weight + seen @ self.seen_weight)
        numbers = put_out(h.unsqueeze(-2).expand(*x.shape, -1), self.output, self.output_bias)
        each = self.likelihood(numbers.unsqueeze(-2)).log_prob(x.unsqueeze(-1))
        return count * (each * (1 - seen)).sum(-1) / (count - split.squeeze(-1))

    def _hidden(self, sums: Tensor) -> Tensor:
        return self.upper(torch.sigmoid(self.hidden_bias + sums))

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x) under the mixture of the K orders: (rows, D) -> (rows,), nats."""
        return Ensemble([self.under(order) for order in self.orders]).log_prob(x)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The model with this likelihood and fresh parameters.

    Raises:
        ValueError: the likelihood is not for these data.
    """
    return EoNADE(data.features, likelihood_of(data, parts))
