"""RealNVP as a prior: a standard normal under couplings, each of which transforms half of z.

    u ~ N(0, I),   z_B = m(z_A) + exp(a(z_A)) z_B,   A and B the halves, swapped `depth` times.

Density and draws take one pass each.

Parameters: one network for each coupling.
Source: Dinh, Sohl-Dickstein and Bengio (2017), Density estimation using Real NVP, ICLR.
Departs from the paper: no batch normalisation and no multi-scale architecture; z is a vector.
"""

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from zoo.flows.couplings import coupling_networks, couplings
from zoo.priors.standard import StandardNormal


class RealNVPPrior(nn.Module):
    """`depth` affine couplings on N(0, I).

    Args:
        latent: M, at least 2.
        depth: number of couplings.
        hidden: hidden units of a coupling's network.

    Raises:
        ValueError: for fewer than two dimensions.
    """

    flipped: Tensor

    def __init__(self, latent: int, depth: int = 4, hidden: int = 64) -> None:
        super().__init__()
        if latent < 2:
            raise ValueError(
                f"Expected latent of at least 2, one for each half of a coupling; got {latent}. "
                "Use the prior 'mixture'."
            )
        self.base = StandardNormal(latent)
        self.networks = coupling_networks(latent, depth, [hidden])
        self.register_buffer("flipped", torch.arange(latent).flip(0), persistent=False)

    def forward(self) -> TorchDistributionMixin:
        """The prior of one z: event shape (M,)."""
        steps = couplings(self.networks, self.flipped)
        return dist.TransformedDistribution(self.base(), steps)
