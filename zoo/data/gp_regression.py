"""A smooth random function seen with noise at thirty places; simulated.

Source: the generative process of Gaussian-process regression, with the constants of this file.
"""

import torch

from zoo.data.data import Batch, Data
from zoo.data.simulated import normals, whole
from zoo.data.stream import stream

POINTS = 30
WIDTH = 6.0
LENGTH, NOISE = 1.0, 0.3


def simulate(points: int, generator: torch.Generator) -> Batch:
    """Draw places on [0, 6], a function with a Matern 3/2 kernel, and what is seen of it.

    Args:
        points: Number of places.
        generator: What to draw from.

    Returns:
        x, sorted, and y, both of shape (points,), float64.
    """
    x = WIDTH * torch.rand(points, generator=generator, dtype=torch.float64)
    x = x.sort().values
    distance = 3**0.5 * (x[:, None] - x).abs() / LENGTH
    kernel = (1 + distance) * (-distance).exp() + 1e-6 * torch.eye(points, dtype=torch.float64)
    f = torch.linalg.cholesky(kernel) @ normals(generator, points)
    return x, f + NOISE * normals(generator, points)


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Draw the places and what is seen there.

    Args:
        seed: Seed of the draw.
        binarize: "none".
        download: Nothing to download: the points are drawn here.

    Returns:
        x and y of shape (30,); test is train, and there is no valid.

    Raises:
        ValueError: If binarize is not "none".
    """
    batch = simulate(POINTS, stream(seed, "gp_regression"))
    return whole("gp_regression", batch, ("x", "y"), seed, binarize)
