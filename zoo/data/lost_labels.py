"""Five things measured with noise, in an order that was not recorded; simulated.

x (rows, 5): 400 rows in train, 50 in valid and 100 in test.
Source: the generative process of the latent permutation, with the constants of this file.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (400, 50, 100)
MEANS = (-2.0, -1.0, 0.0, 1.0, 2.0)
SCALE = 0.5


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Measure every item, then shuffle the row.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 5), float64.
    """
    measured = torch.tensor(MEANS, dtype=torch.float64)
    measured = measured + SCALE * normals(generator, rows, len(MEANS))
    order = torch.rand(measured.shape, generator=generator, dtype=torch.float64).argsort(-1)
    return (measured.gather(-1, order),)


load = SimulatedRows("lost_labels", simulate, SIZES, labels=("x",))
