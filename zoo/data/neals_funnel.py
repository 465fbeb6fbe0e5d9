"""The scales of Neal's funnel: a density to approximate, with nothing observed.

Source: Neal (2003), Slice sampling, Annals of Statistics 31(3).
"""

import torch

from zoo.data.data import Data
from zoo.data.simulated import whole

SCALES = (3.0, *(1.0,) * 9)


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Load the scales.

    Args:
        seed: Recorded only: nothing is drawn.
        binarize: "none".
        download: Nothing to download: the numbers are in this file.

    Returns:
        scale of shape (10,), the standard deviation of v and the nine factors of the x_i; test
        is train, and there is no valid.

    Raises:
        ValueError: If binarize is not "none".
    """
    scale = torch.tensor(SCALES, dtype=torch.float64)
    return whole("neals_funnel", (scale,), ("scale",), seed, binarize)
