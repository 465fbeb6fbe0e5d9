"""Gaussian outputs: x_j ~ N(o_j, s^2), one mean o_j a dimension; s = 1, or one learned s."""

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn


class GaussianLikelihood(nn.Module):
    """Independent normals of one scale.

    Args:
        learned: is log s a parameter? Otherwise s = 1.
    """

    numbers = 1
    log_scale: Tensor

    def __init__(self, *, learned: bool = False) -> None:
        super().__init__()
        if learned:
            self.log_scale = nn.Parameter(torch.zeros(()))
        else:
            self.register_buffer("log_scale", torch.zeros(()))

    def forward(self, outputs: Tensor) -> TorchDistributionMixin:
        """The distribution of a row: (..., D, 1) -> event shape (D,)."""
        return dist.Normal(outputs.squeeze(-1), self.log_scale.exp()).to_event(1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected row: (..., D, 1) -> (..., D)."""
        return outputs.squeeze(-1)
