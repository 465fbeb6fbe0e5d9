"""Two factors behind eight measurements of very different noise; simulated.

x (rows, 8): 400 rows in train, 50 in valid and 100 in test.
Source: the generative process of factor analysis, with the constants of this file.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (400, 50, 100)
FEATURES = 8
FACTORS = 2
FIRST_NOISE_SCALE = 0.2
LAST_NOISE_SCALE = 1.6


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw loadings, factors and measurements; the noise grows from the first one to the last.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 8), float64.
    """
    loadings = normals(generator, FACTORS, FEATURES)
    noise = torch.linspace(FIRST_NOISE_SCALE, LAST_NOISE_SCALE, FEATURES, dtype=torch.float64)
    signal = normals(generator, rows, FACTORS) @ loadings
    return (signal + noise * normals(generator, rows, FEATURES),)


load = SimulatedRows("factor_analysis", simulate, SIZES, labels=("x",))
