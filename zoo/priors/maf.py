"""Masked autoregressive flow as a prior: a standard normal under invertible steps.

    u ~ N(0, I),   u_i = m_i(z_<i) + exp(a_i(z_<i)) z_i,   `depth` times, in alternating order.

The density takes one pass, z -> u; a draw takes M passes in each step, but training needs no
draws.

Parameters: one masked network a step.
Source: Papamakarios, Pavlakou and Murray (2017), Masked autoregressive flow for density
estimation, NeurIPS; as a prior, Chen et al. (2017), Variational lossy autoencoder, ICLR.
"""

import pyro.distributions as dist
from pyro.distributions import transforms
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import nn

from zoo.priors.masked import masked_network
from zoo.priors.standard import StandardNormal


class MAFPrior(nn.Module):
    """`depth` masked autoregressive steps on N(0, I).

    Args:
        latent: M, at least 2.
        depth: number of steps.
        hidden: hidden units of a step's network.

    Raises:
        ValueError: for fewer than two dimensions.
    """

    def __init__(self, latent: int, depth: int = 3, hidden: int = 64) -> None:
        super().__init__()
        self.base = StandardNormal(latent)
        self.networks = nn.ModuleList(
            masked_network(latent, (hidden,), (1, 1), backwards=i % 2 == 1) for i in range(depth)
        )

    def forward(self) -> TorchDistributionMixin:
        """The prior of one z: event shape (M,)."""
        # new transforms for each call: they cache their last values, which would stay in the model
        steps = [transforms.AffineAutoregressive(network).inv for network in self.networks]
        return dist.TransformedDistribution(self.base(), steps)
