"""Mixture of Gaussians as a prior: clusters in the latent space.

    r(z) = sum_c w_c N(z; m_c, diag s_c^2),   c = 1..C,   all learned.

The means start as draws of N(0, I), so that no two components are the same.

Parameters: C (2 M + 1).
Source: Dilokthanakul et al. (2016), Deep unsupervised clustering with Gaussian mixture variational
autoencoders; "MoG" of Tomczak and Welling (2018), VAE with a VampPrior, AISTATS.
"""

import torch
from torch import nn
from torch.nn.functional import softplus

from zoo.distributions import Density
from zoo.priors.gaussians import mixture_of

SOFTPLUS_INVERSE_OF_ONE = 0.5413


class MixturePrior(nn.Module):
    """A mixture of C diagonal Gaussians over vectors of size M.

    Args:
        latent: M.
        components: C.

    Raises:
        ValueError: for fewer than one component.
    """

    def __init__(self, latent: int, components: int = 10) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"Expected components of at least 1; got {components}.")
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, latent))
        self.unscaled = nn.Parameter(torch.full((components, latent), SOFTPLUS_INVERSE_OF_ONE))

    def forward(self) -> Density:
        """The prior of one z: event shape (M,)."""
        return mixture_of(self.logits.log_softmax(0), self.loc, softplus(self.unscaled) + 1e-6)
