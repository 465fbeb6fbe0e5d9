"""A straight plane with noise, two of its three features correlated; simulated.

x (rows, 4), its first column ones, and y (rows,): 60 rows in train, 20 in valid and 20 in test.
Source: the generative process of Bayesian linear regression, with the constants of this file.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (60, 20, 20)
FEATURES = 4
NOISE_SCALE = 0.5
CORRELATION = 0.9


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw coefficients from N(0, I), then features and outcomes.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 4), its first column ones, its second and third of correlation 0.9;
        y of shape (rows,). Both float64.
    """
    beta = normals(generator, FEATURES)
    x = normals(generator, rows, FEATURES)
    x[:, 0] = 1
    x[:, 2] = CORRELATION * x[:, 1] + (1 - CORRELATION**2) ** 0.5 * x[:, 2]
    return x, x @ beta + NOISE_SCALE * normals(generator, rows)


load = SimulatedRows("linear_regression", simulate, SIZES, labels=("x", "y"))
