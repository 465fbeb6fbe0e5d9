"""Bernoulli pixels: x_j ~ Bernoulli(sigmoid(o_j)), one logit o_j a dimension."""

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn


class BernoulliLikelihood(nn.Module):
    """Independent bits."""

    numbers = 1

    def forward(self, outputs: Tensor) -> TorchDistributionMixin:
        """The distribution of a row: (..., D, 1) -> event shape (D,)."""
        return dist.Bernoulli(logits=outputs.squeeze(-1)).to_event(1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected row: (..., D, 1) -> (..., D), in [0, 1]."""
        return torch.sigmoid(outputs.squeeze(-1))
