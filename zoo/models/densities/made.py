"""Masked autoencoder for distribution estimation (MADE): log p(x) is exact, in one pass.

An autoencoder whose weights are masked, so that the numbers of an element depend only on the
elements before it. Each hidden unit has a degree m, the last place whose element it may see. With
K masks each step of training takes one of them, order of the elements and degrees alike; in eval
mode p(x) is the mean over all K. Without hidden layers it is logistic regression of each element.

Generative process, for each row n and each place i = 0 .. D-1 of the order:
    h^0 = x_n,   h^l = relu( (W^l * M^l) h^l-1 + c^l ),    M^l_ab = 1 if m^l_a >= m^l-1_b
    numbers = (V * M) h^L + b,                             M_ab = 1 if place_a > m^L_b
    x_ni ~ p( . ; numbers_i),      Bernoulli by its logit, or another likelihood

Shapes: x (rows, D), W^l (H_l, H_l-1), V (D * numbers, H_L); m^0 are the places, m^l in 0 .. D-2.
Source: Germain, Gregor, Murray and Larochelle (2015), MADE, ICML; without hidden layers: Frey,
Hinton and Dayan (1996), Does the wake-sleep algorithm produce good density estimators?, NeurIPS.
Departs from the paper: a single mask keeps the order of the columns; the mask of a step is drawn,
where theirs take turns; no connections from input to output; trained by Adam.

As `fvsbn`: Fully visible sigmoid belief network: each pixel a logistic regression on those before.

Known exactly: log p(x) of each row, under each of the K masks and of their mixture.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn
from torch.nn import functional

from zoo.data import Data
from zoo.decoders import AutoregressiveRow
from zoo.models.densities.row import Ensemble, likelihood_of, observe
from zoo.models.parts import Parts


class MADE(nn.Module):
    """p(x) by an autoencoder with masked weights."""

    degrees: Tensor

    def __init__(
        self, features: int, likelihood: nn.Module, hidden: Sequence[int] = (500,), masks: int = 1
    ) -> None:
        """Draws the orders and degrees of all masks, which stay as they are.

        Args:
            features: number of elements D.
            likelihood: of an element, from its numbers; see `zoo.likelihoods`.
            hidden: units of each hidden layer; none for a fully visible sigmoid belief network.
            masks: K.
        """
        super().__init__()
        self.likelihood, self.numbers = likelihood, int(likelihood.numbers)  # type: ignore[arg-type]
        self.sizes = (features, *hidden)
        widths = (*self.sizes, features * self.numbers)
        self.layers = nn.ModuleList(MaskedLinear(*pair) for pair in pairwise(widths))
        self.register_buffer("degrees", torch.stack([self._drawn(masks) for _ in range(masks)]))

    def _drawn(self, masks: int) -> Tensor:
        """Places of the elements, then degrees of all hidden units, side by side."""
        features, *hidden = self.sizes
        places = torch.randperm(features) if masks > 1 else torch.arange(features)
        return torch.cat([places, torch.randint(max(features - 1, 1), (sum(hidden),))])

    def forward(self, x: Tensor) -> Tensor:
        """Observes rows (rows, D) at the site x, in training by one of the masks; returns them."""
        return observe(x, self.distribution())

    def distribution(self) -> TorchDistributionMixin:
        """p(x) of a row, event shape (D,); in training that of one of the masks, at random."""
        count = len(self.degrees)
        if self.training and count > 1:
            return self.under((torch.rand(1, device=self.degrees.device) * count).long())
        return Ensemble(self.members())

    def members(self) -> list[AutoregressiveRow]:
        """The K densities, one for each mask."""
        numbered = torch.arange(len(self.degrees), device=self.degrees.device)
        return [self.under(k) for k in numbered.split(1)]

    def under(self, k: Tensor) -> AutoregressiveRow:
        """p(x) of a row under mask number k, shape (1,): event shape (D,)."""
        degrees = self.degrees.index_select(0, k).squeeze(0).split(self.sizes)
        conditional = partial(self.conditional, degrees)
        zeros = next(self.parameters()).new_zeros(self.sizes[0], self.numbers)
        order = degrees[0].argsort()
        return AutoregressiveRow(conditional, self.likelihood, zeros, order=order)

    def conditional(self, degrees: Sequence[Tensor], x: Tensor) -> Tensor:
        """The numbers of every factor p(x_i | those before): (..., D) -> (..., D, numbers).

        Args:
            degrees: the places of the elements, and the degrees of each layer's units.
            x: a row.
        """
        h, (*hidden, output) = x, self.layers
        for layer, below, above in zip(hidden, degrees, degrees[1:], strict=False):
            h = torch.relu(layer(h, above.unsqueeze(-1) >= below))
        earlier = degrees[0].unsqueeze(-1) > degrees[-1]
        numbers = output(h, earlier.repeat_interleave(self.numbers, 0))
        return numbers.unflatten(-1, (-1, self.numbers))

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x) under the mixture of the K masks: (rows, D) -> (rows,), nats."""
        return Ensemble(self.members()).log_prob(x)


class MaskedLinear(nn.Module):
    """An affine layer whose weights are multiplied by a mask that comes with its input.

    Args:
        inputs: width of the input.
        outputs: width of the output.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.whole = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(..., inputs) and a mask (outputs, inputs) -> (..., outputs)."""
        return functional.linear(x, self.whole.weight * mask, self.whole.bias)


def from_parts(data: Data, parts: Parts) -> nn.Module:
    """The model with one hidden layer, one mask and this likelihood.

    Raises:
        ValueError: the likelihood is not for these data.
    """
    return MADE(data.features, likelihood_of(data, parts))


def fully_visible(data: Data, parts: Parts) -> nn.Module:
    """The same without a hidden layer.

    Raises:
        ValueError: the likelihood is not for these data.
    """
    return MADE(data.features, likelihood_of(data, parts), hidden=())
