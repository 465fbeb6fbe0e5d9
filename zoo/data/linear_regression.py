"""A straight plane with noise, two of its three features correlated; simulated.

Source: the generative process of Bayesian linear regression, with the constants of this file.
"""

import torch

from zoo.data.data import Batch, Data
from zoo.data.simulated import draw_rows, normals

SIZES = (60, 20, 20)
FEATURES = 4
NOISE = 0.5
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
    return x, x @ beta + NOISE * normals(generator, rows)


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Draw the rows.

    Args:
        seed: Seed of the draw.
        binarize: "none".
        download: Nothing to download: the rows are drawn here.

    Returns:
        x of shape (rows, 4) and y of shape (rows,): 60 rows in train, 20 in valid, 20 in test.

    Raises:
        ValueError: If binarize is not "none".
    """
    return draw_rows("linear_regression", simulate, SIZES, ("x", "y"), seed, binarize)
