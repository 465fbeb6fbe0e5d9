"""From a hidden state to the distribution of what is observed at its time: bits, or numbers."""

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.nn import mlp


class BernoulliEmission(nn.Module):
    """x_j ~ Bernoulli(sigmoid(f(z)_j)), f a network with two hidden layers."""

    def __init__(self, latent: int, features: int, width: int) -> None:
        """Builds the network.

        Args:
            latent: dimension M of a state.
            features: number of bits D at each time.
            width: of the hidden layers.
        """
        super().__init__()
        self.network = mlp((latent, width, width, features))

    def forward(self, z: Tensor) -> TorchDistributionMixin:
        """p(x_t | z_t): (..., M) -> batch shape (...), event shape (D,)."""
        return dist.Bernoulli(logits=self.network(z)).to_event(1)


class LinearEmission(nn.Module):
    """x ~ N(C z + d, diag s^2): that of a linear Gaussian model."""

    def __init__(self, latent: int, features: int) -> None:
        """Starts with random C and d, and scales of 1.

        Args:
            latent: dimension M of a state.
            features: number D of values at each time.
        """
        super().__init__()
        self.linear = nn.Linear(latent, features)
        self.log_scale = nn.Parameter(torch.zeros(features))

    def forward(self, z: Tensor) -> TorchDistributionMixin:
        """p(x_t | z_t): (..., M) -> batch shape (...), event shape (D,)."""
        return dist.Normal(self.linear(z), self.log_scale.exp()).to_event(1)
