"""Three overlapping clouds of points in the plane; simulated.

x (rows, 2): 400 rows in train, 50 in valid and 100 in test.
Source: the generative process of the Gaussian mixture, with the constants of this file.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (400, 50, 100)
WEIGHTS = (0.5, 0.3, 0.2)
MEANS = ((0.0, 2.0), (-2.0, -1.0), (2.0, -1.0))
SCALES = (1.0, 0.7, 1.3)


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw each row's cloud, then its point.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 2), float64.
    """
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    cloud = torch.multinomial(weights, rows, replacement=True, generator=generator)
    mean = torch.tensor(MEANS, dtype=torch.float64)[cloud]
    scale = torch.tensor(SCALES, dtype=torch.float64)[cloud, None]
    return (mean + scale * normals(generator, rows, 2),)


load = SimulatedRows("gaussian_mixture", simulate, SIZES, labels=("x",))
