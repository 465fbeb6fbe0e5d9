"""Standard normal prior: z ~ N(0, I_M). It has no parameters."""

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn


class StandardNormal(nn.Module):
    """N(0, I) over vectors of size M.

    Args:
        latent: M.
    """

    zeros: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("zeros", torch.zeros(latent), persistent=False)

    def forward(self) -> TorchDistributionMixin:
        """The prior of one z: event shape (M,)."""
        return dist.Normal(self.zeros, torch.ones_like(self.zeros)).to_event(1)
