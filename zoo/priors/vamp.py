"""VampPrior: the posteriors of a few pseudo-inputs, mixed.

    r(z) = 1/C sum_c q(z | u_c),   u_c in [0, 1]^D learned,   q(z | x) = N(m(x), diag s(x)^2).

The prior that maximises the ELBO is the average of q(z | x) over the data; here C learned
pseudo-inputs take the place of the data. The recognition network belongs to the prior. The guide
`shared` uses the same network for q(z | x), as in the paper; other guides have networks of their
own.

Parameters: C D, and those of the network.
Source: Tomczak and Welling (2018), VAE with a VampPrior, AISTATS.
Departs from the paper: pseudo-inputs pass through a sigmoid instead of a clamp to [0, 1], whose
gradient would be zero outside of it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from zoo.distributions import Density
from zoo.nn import gated_mlp
from zoo.priors.gaussians import mixture_of


class VampPrior(nn.Module):
    """A mixture of the recognised posteriors of C pseudo-inputs.

    Args:
        latent: M.
        features: D.
        components: C.
        hidden: widths of the recognition network's gated layers, from x to z.

    Raises:
        ValueError: for fewer than one component.
    """

    def __init__(
        self,
        latent: int,
        features: int,
        components: int = 500,
        hidden: Sequence[int] = (300, 300),
    ) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"Expected components of at least 1; got {components}.")
        self.recognition = gated_mlp((features, *hidden, 2 * latent))
        self.pseudo = nn.Parameter(torch.randn(components, features) - 1.0)

    def forward(self) -> Density:
        """The prior of one z: event shape (M,)."""
        loc, scale = self.recognise(self.pseudo_inputs)
        return mixture_of(loc.new_full((len(loc),), -math.log(len(loc))), loc, scale)

    @property
    def pseudo_inputs(self) -> Tensor:
        """u_c, shape (C, D), in (0, 1)."""
        return torch.sigmoid(self.pseudo)

    def recognise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale of q(z | x): (..., D) -> (..., M) each."""
        loc, unscaled = self.recognition(x).chunk(2, dim=-1)
        return loc, softplus(unscaled) + 1e-6
