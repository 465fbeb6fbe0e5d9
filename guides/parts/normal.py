"""Normals on a latent's own support: the building block of the Gaussian families."""

import pyro.distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor
from torch.distributions import biject_to, constraints

from zoo.latents import Latent
from zoo.optim.scales import SMALL_SCALE as SMALL_SCALE


def normal(loc: Tensor, scale: Tensor, latent: Latent) -> TorchDistributionMixin:
    """N(loc, scale^2) in unconstrained space, mapped onto the latent's support.

    Args:
        loc: mean, shape (*batch, *unconstrained event).
        scale: standard deviation, same shape.
        latent: whose support and event shape to take.
    """
    base = dist.Normal(loc, scale).to_event(len(latent.unconstrained_shape))
    return onto_support(base, latent)


def onto_support(base: TorchDistributionMixin, latent: Latent) -> TorchDistributionMixin:
    """`base` in unconstrained space, mapped onto the latent's support."""
    if latent.base_support is constraints.real:
        return base
    return dist.TransformedDistribution(base, [biject_to(latent.support).with_cache()])
