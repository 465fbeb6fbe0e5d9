"""A density that cannot be sampled directly, as a Pyro model: a base and a factor."""

from collections.abc import Callable

import pyro
from pyro.distributions import TorchDistribution
from torch import Tensor


def sample_by_factor(base: TorchDistribution, log_density: Callable[[Tensor], Tensor]) -> Tensor:
    """Draws site x from a base; the factor "target" replaces the base's density by another.

    The joint density is exp(log_density(x)), which need not be normalised. The base is where
    annealing starts. It is not the target, so that runs of the model alone draw from the base:
    data cannot be simulated, and calibration on simulated data refuses the factor.

    Args:
        base: over x, with support wherever the density has mass.
        log_density: x -> nats, up to a constant, of x's batch shape.

    Returns:
        x.
    """
    x = pyro.sample("x", base)
    pyro.factor("target", log_density(x) - base.log_prob(x))
    return x
