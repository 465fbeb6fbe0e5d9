"""Categorical pixels: a probability for each grey level, with no order among them.

    x_j = k_j / (L - 1),   k_j ~ Categorical(softmax(o_j)),   o_j of L logits.

Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks, ICML.
"""

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.likelihoods.levels import Levels


class CategoricalLikelihood(nn.Module):
    """Independent pixels of L grey levels.

    Args:
        levels: L.
    """

    def __init__(self, levels: int = 256) -> None:
        super().__init__()
        self.numbers = levels

    def forward(self, outputs: Tensor) -> TorchDistributionMixin:
        """The distribution of a row: (..., D, L) -> event shape (D,), values k / (L - 1)."""
        return Levels(dist.Categorical(logits=outputs), self.numbers).to_event(1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected row: (..., D, L) -> (..., D), in [0, 1]."""
        grey = torch.linspace(0, 1, self.numbers, dtype=outputs.dtype, device=outputs.device)
        return outputs.softmax(-1) @ grey
