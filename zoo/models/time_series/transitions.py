"""From one hidden state to the mean and scale of the next: gated, or linear.

Source of the gated one: Krishnan, Shalit and Sontag (2017), Structured inference networks for
nonlinear state space models, AAAI; section 5.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from zoo.nn import mlp


class GatedTransition(nn.Module):
    """Between a linear and a non-linear mean, mixed by a gate for each dimension.

    g = sigmoid(gate(z)),  h = proposal(z),  mean = (1 - g) (W z + b) + g h,
    scale = softplus(V relu(h) + c).
    """

    def __init__(self, latent: int, width: int) -> None:
        """Starts with W = I and b = 0, so that a state tends to stay.

        Args:
            latent: dimension M of a state.
            width: of the hidden layers of the gate and the proposal.
        """
        super().__init__()
        self.gate = mlp((latent, width, latent))
        self.proposal = mlp((latent, width, latent))
        self.linear = nn.Linear(latent, latent)
        self.spread = nn.Linear(latent, latent)
        with torch.no_grad():
            self.linear.weight.copy_(torch.eye(latent))
            self.linear.bias.zero_()

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale of the next state: (..., M) -> (..., M) each."""
        gate, proposal = torch.sigmoid(self.gate(z)), self.proposal(z)
        mean = (1 - gate) * self.linear(z) + gate * proposal
        return mean, softplus(self.spread(torch.relu(proposal)))


class LinearTransition(nn.Module):
    """The mean A z + b, the scale the same for every z: that of a linear Gaussian model."""

    def __init__(self, latent: int) -> None:
        """Starts with random A and b, and scales of 1.

        Args:
            latent: dimension M of a state.
        """
        super().__init__()
        self.linear = nn.Linear(latent, latent)
        self.log_scale = nn.Parameter(torch.zeros(latent))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale of the next state: (..., M) -> (..., M) each."""
        mean = self.linear(z)
        return mean, self.log_scale.exp().expand_as(mean)
