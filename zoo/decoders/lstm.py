"""A cell of a long short-term memory, for any leading dimensions.

    (i, f, o, g) = W (input, h) + b,
    c' = sigmoid(f) c + sigmoid(i) tanh(g),   h' = sigmoid(o) tanh(c')

Source: Hochreiter & Schmidhuber 1997, "Long short-term memory", with the forget gate of Gers,
Schmidhuber & Cummins 2000, "Learning to forget".
"""

import torch
from torch import Tensor, nn

from zoo.nn import beside


class LSTM(nn.Module):
    """One step; torch's own cell takes a single leading dimension, and particles are a second.

    Args:
        inputs: numbers of the input.
        width: numbers of h and of c.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs + width, 4 * width)

    def forward(self, read: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """H' and c', (..., width) each, from the input (..., inputs), h and c (..., width)."""
        enter, keep, show, new = self.gates(beside(read, hidden)).chunk(4, dim=-1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(show) * torch.tanh(cell), cell
