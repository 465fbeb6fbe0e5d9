"""The units in which a family's parameters are kept: those of the posterior, where it is known.

    u = c + s * v,    v the family's own draw,    s > 0.

An optimizer moves every parameter by about as much in a step, whatever its unit. In the units of
the posterior such a step is as large a part of each latent's standard deviation.
"""

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from pyro.distributions.transforms import AffineTransform
from torch import Tensor, nn


class Units(nn.Module):
    """A fixed place c and unit s of every unconstrained value; (0, 1) until they are set.

    Args:
        size: number of values d.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("sd", torch.ones(size))

    def of(self, q: TorchDistribution) -> TorchDistribution:
        """The distribution of c + s v, for v from q of event shape (d,)."""
        back = AffineTransform(self.mean, self.sd, event_dim=1, cache_size=1)
        return dist.TransformedDistribution(q, [back])

    @torch.no_grad()
    def take(self, mean: Tensor, factor: Tensor) -> Tensor:
        """Takes place and units from N(mean, factor factor^T), and gives its factor in them.

        Args:
            mean: shape (d,).
            factor: shape (d, d).

        Returns:
            The factor of v, whose rows have length 1, shape (d, d).
        """
        self.mean.copy_(mean)
        self.sd.copy_(factor.norm(dim=1))
        return factor / self.sd[:, None]
