"""A smooth random function seen with noise at thirty places; simulated.

x (30,), sorted, and y (30,); test is train, and there is no valid.
Source: the generative process of Gaussian-process regression, with the constants of this file.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import UnsplitData, normals

POINTS = 30
WIDTH = 6.0
LENGTH_SCALE = 1.0
NOISE_SCALE = 0.3
NUGGET = 1e-6


def simulate(generator: torch.Generator) -> Batch:
    """Draw places on [0, 6], a function with a Matern 3/2 kernel, and what is seen of it.

    Args:
        generator: What to draw from.

    Returns:
        x, sorted, and y, both of shape (30,), float64.
    """
    x = WIDTH * torch.rand(POINTS, generator=generator, dtype=torch.float64)
    x = x.sort().values
    distance = 3**0.5 * (x[:, None] - x).abs() / LENGTH_SCALE
    kernel = (1 + distance) * (-distance).exp() + NUGGET * torch.eye(POINTS, dtype=torch.float64)
    f = torch.linalg.cholesky(kernel) @ normals(generator, POINTS)
    return x, f + NOISE_SCALE * normals(generator, POINTS)


load = UnsplitData("gp_regression", simulate, labels=("x", "y"))
