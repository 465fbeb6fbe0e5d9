"""Two factors behind eight measurements of very different noise; simulated.

Source: the generative process of factor analysis, with the constants of this file.
"""

import torch

from zoo.data.data import Batch, Data
from zoo.data.simulated import draw_rows, normals

SIZES = (400, 50, 100)
FEATURES, FACTORS = 8, 2
NOISE = (0.2, 1.6)  # standard deviation of the first and the last measurement


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw loadings, factors and measurements.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 8), float64.
    """
    loadings = normals(generator, FACTORS, FEATURES)
    noise = torch.linspace(*NOISE, FEATURES, dtype=torch.float64)
    return (
        normals(generator, rows, FACTORS) @ loadings + noise * normals(generator, rows, FEATURES),
    )


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Draw the measurements.

    Args:
        seed: Seed of the draw.
        binarize: "none".
        download: Nothing to download: the rows are drawn here.

    Returns:
        x of shape (rows, 8): 400 rows in train, 50 in valid and 100 in test.

    Raises:
        ValueError: If binarize is not "none".
    """
    return draw_rows("factor_analysis", simulate, SIZES, ("x",), seed, binarize)
