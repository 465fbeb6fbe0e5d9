"""Many short series, each a random walk seen through noise; simulated.

Source: the generative process of the local-level model, with the constants of this file.
"""

import torch

from zoo.data.data import Batch, Data
from zoo.data.simulated import draw_rows, normals

SIZES = (200, 50, 100)
LENGTH = 12
START, STEP, NOISE = 1.0, 0.5, 1.0  # standard deviations


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw a walk for each row, then what is seen of it.

    Args:
        rows: Number of series.
        generator: What to draw from.

    Returns:
        x of shape (rows, 12), float64.
    """
    moves = STEP * normals(generator, rows, LENGTH)
    moves[:, 0] *= START / STEP
    return (moves.cumsum(-1) + NOISE * normals(generator, rows, LENGTH),)


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Draw the series.

    Args:
        seed: Seed of the draw.
        binarize: "none".
        download: Nothing to download: the rows are drawn here.

    Returns:
        x of shape (rows, 12): 200 series in train, 50 in valid and 100 in test.

    Raises:
        ValueError: If binarize is not "none".
    """
    return draw_rows("local_level", simulate, SIZES, ("x",), seed, binarize)
