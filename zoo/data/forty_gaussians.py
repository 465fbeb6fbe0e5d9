"""Means and scales of forty Gaussians in the plane: a density to approximate; nothing is observed.

means (40, 2): uniform on [-40, 40]^2.
scales (40,): log(1 + e) = 1.31 each.
Source: Midgley et al. (2023), Flow annealed importance sampling bootstrap, ICLR; their seed's
means are others.
"""

import math

import torch

from zoo.data.data import Batch
from zoo.data.simulated import UnsplitData

COMPONENTS, REACH = 40, 40.0
SCALE = math.log1p(math.e)


def simulate(generator: torch.Generator) -> Batch:
    """Draw the means.

    Args:
        generator: What to draw from.

    Returns:
        means (40, 2) and scales (40,), float64.
    """
    u = torch.rand(COMPONENTS, 2, generator=generator, dtype=torch.float64)
    return REACH * (2 * u - 1), torch.full((COMPONENTS,), SCALE, dtype=torch.float64)


load = UnsplitData("forty_gaussians", simulate, labels=("means", "scales"))
