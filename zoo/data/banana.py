"""The scales of a banana-shaped density: something to approximate, with nothing observed.

Source: Haario, Saksman and Tamminen (1999), Adaptive proposal distribution for random walk
Metropolis algorithm, Computational Statistics 14.
"""

import torch

from zoo.data.data import Data
from zoo.data.simulated import whole

SCALES = (10.0, 1.0)


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Load the scales.

    Args:
        seed: Recorded only: nothing is drawn.
        binarize: "none".
        download: Nothing to download: the numbers are in this file.

    Returns:
        scale of shape (2,), the standard deviations along the banana and across; test is train,
        and there is no valid.

    Raises:
        ValueError: If binarize is not "none".
    """
    scale = torch.tensor(SCALES, dtype=torch.float64)
    return whole("banana", (scale,), ("scale",), seed, binarize)
