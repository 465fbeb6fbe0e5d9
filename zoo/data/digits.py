"""Digits: 1797 grey pictures of handwritten digits, 8 by 8 pixels; comes with scikit-learn.

Source: Alpaydin and Kaynak (1998), Optical recognition of handwritten digits, UCI repository.
"""

import torch
from torch import Tensor

from zoo.data.binarize import MODES, check_mode
from zoo.data.data import Data
from zoo.data.pictures import make_pictures
from zoo.data.split import split_rows

SIZES = (1257, 180, 360)


def load(seed: int = 0, binarize: str = "dynamic", *, download: bool = False) -> Data:
    """Load the digits.

    Args:
        seed: Seed of the split and of the bits drawn once.
        binarize: "none", "threshold", "static" or "dynamic".
        download: Nothing to download: the rows come with scikit-learn.

    Returns:
        x of shape (rows, 64): 1257 rows in train, 180 in valid and 360 in test.

    Raises:
        ValueError: If the mode is unknown.
    """
    check_mode("digits", binarize, MODES)
    splits = split_rows(read()[:1], SIZES, seed)
    return make_pictures("digits", splits, (8, 8), binarize, seed, levels=17)


def read() -> tuple[Tensor, Tensor]:
    """All pictures, intensities in [0, 1] of shape (1797, 64), and their classes, (1797,)."""
    # Imported here: it takes a second, and the other sets do not need it.
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = torch.as_tensor(bunch.data / 16, dtype=torch.get_default_dtype())
    return x, torch.as_tensor(bunch.target).long()
