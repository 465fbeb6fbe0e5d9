"""Points of a cubic with noise, the toy of the papers on Bayesian neural networks; simulated.

x (rows, 1) and y (rows,): x = u / 2.3 and y = (u^3 + 3 e) / 24 for u uniform on [-4, 4] and e
standard normal, so that both have a standard deviation near 1. 100 rows in train, 20 in valid and
100 in test.
Source: Hernandez-Lobato & Adams (2015), Probabilistic backpropagation for scalable learning of
Bayesian neural networks, section 5.2.
Departs from the paper: five times as many rows, in other units.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (100, 20, 100)
WIDEST, NOISE = 4.0, 3.0
UNIT_OF_X, UNIT_OF_Y = 2.3, 24.0


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw places, then noise around the curve.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 1) and y of shape (rows,), float64.
    """
    u = WIDEST * (2 * torch.rand(rows, generator=generator, dtype=torch.float64) - 1)
    y = u**3 + NOISE * normals(generator, rows)
    return u[:, None] / UNIT_OF_X, y / UNIT_OF_Y


load = SimulatedRows("cubic", simulate, SIZES, labels=("x", "y"))
