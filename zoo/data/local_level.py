"""Many short series, each a random walk seen through noise; simulated.

x (rows, 12): 200 series in train, 50 in valid and 100 in test.
Source: the generative process of the local-level model, with the constants of this file.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (200, 50, 100)
LENGTH = 12
START_SCALE = 1.0
STEP_SCALE = 0.5
NOISE_SCALE = 1.0


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw a walk for each row, then what is seen of it.

    Args:
        rows: Number of series.
        generator: What to draw from.

    Returns:
        x of shape (rows, 12), float64.
    """
    moves = STEP_SCALE * normals(generator, rows, LENGTH)
    moves[:, 0] *= START_SCALE / STEP_SCALE
    return (moves.cumsum(-1) + NOISE_SCALE * normals(generator, rows, LENGTH),)


load = SimulatedRows("local_level", simulate, SIZES, labels=("x",))
