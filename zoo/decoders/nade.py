"""The neural autoregressive distribution estimator, given z: a pixel depends on those before it.

    h_i = sigmoid( c(z) + sum_{j<i} W_j x_j ),    numbers of p(x_i | x_<i, z) = b_i(z) + V_i h_i.

The hidden layers of all pixels share W: the sum inside h_i is that inside h_i-1 plus W_i-1 x_i-1,
so a cumulative sum gives all D factors at a cost proportional to D * hidden, not D^2 * hidden.

Shapes: z (..., M), x (..., D); W (D, hidden), V (D, hidden, numbers).
Source: Uria, Cote, Gregor, Murray & Larochelle 2016, "Neural autoregressive distribution
estimation", JMLR 17; biases that depend on z as in Boulanger-Lewandowski, Bengio & Vincent 2012.
Departs from the paper: a network of z, not a constant, gives the biases c and b.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.decoders.autoregressive import AutoregressiveRow
from zoo.nn import mlp


class NADEDecoder(nn.Module):
    """p(x | z) with one hidden layer for each pixel, all sharing their weights.

    Args:
        latent: width M of z.
        features: number of pixels D.
        numbers: numbers that the likelihood takes for each pixel.
        image: not used: the pixels are taken in the order of the columns of x.
        width: units of the hidden layer that reads x.
        hidden: widths of the network from z to the biases.
    """

    def __init__(
        self,
        latent: int,
        features: int,
        numbers: int = 1,
        image: tuple[int, int] | None = None,
        *,
        width: int = 50,
        hidden: Sequence[int] = (100,),
    ) -> None:
        super().__init__()
        self.features, self.numbers = features, numbers
        self.biases = mlp((latent, *hidden, width + features * numbers))
        self.weight = nn.Parameter(torch.randn(features, width) / features**0.5)
        self.output = nn.Parameter(torch.randn(features, width, numbers) / width**0.5)

    def distribution(self, z: Tensor, likelihood: nn.Module) -> AutoregressiveRow:
        """p(x | z) of the rows of z: (..., M) -> batch (...), event (D,)."""
        zeros = z.new_zeros(self.features, self.numbers)
        biases = self.biases(z)  # once, although a draw of x takes D passes through the rest
        return AutoregressiveRow(partial(self._numbers, biases), likelihood, zeros, z.shape[:-1])

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """The numbers of all factors: (..., M) and (..., D) -> (..., D, numbers)."""
        return self._numbers(self.biases(z), x)

    def _numbers(self, biases: Tensor, x: Tensor) -> Tensor:
        width = self.weight.shape[1]
        c, b = biases.split([width, self.features * self.numbers], dim=-1)
        h = torch.sigmoid(c.unsqueeze(-2) + taken_in(x.unsqueeze(-1) * self.weight))
        return put_out(h, self.output, b.unflatten(-1, (self.features, self.numbers)))


def taken_in(parts: Tensor) -> Tensor:
    """What each element takes in of those before it, sum_{j<i} of their parts.

    Args:
        parts: of each element to every hidden unit, W_j x_j, shape (..., D, hidden).

    Returns:
        The sums, shape (..., D, hidden); 0 for the first element.
    """
    return functional.pad(parts, (0, 0, 1, 0)).cumsum(-2)[..., :-1, :]


def put_out(h: Tensor, output: Tensor, bias: Tensor) -> Tensor:
    """The numbers of each factor from its own hidden layer, b_i + V_i h_i.

    Args:
        h: hidden layers, shape (..., D, hidden).
        output: V, shape (D, hidden, numbers).
        bias: b, shape (..., D, numbers).

    Returns:
        Shape (..., D, numbers).
    """
    return bias + torch.einsum("...ih,ihk->...ik", h, output)
