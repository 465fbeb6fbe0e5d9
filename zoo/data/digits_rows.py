"""Digits read as sequences: eight times, each a row of eight pixels, from the top down.

x (rows, 8, 8) and seen (rows, 8), ones everywhere, as all pictures are whole. The pictures, their
splits and their bits are those of `digits`.
Source: Alpaydin and Kaynak (1998), Optical recognition of handwritten digits, UCI repository.
"""

from torch import Tensor

from zoo.data import digits
from zoo.data.binarize import MODES, check_mode, draw_bits
from zoo.data.data import Batch, Data, keep, make_data

SIDE = 8


def load(seed: int = 0, binarize: str = "dynamic", *, download: bool = False) -> Data:
    """Load the digits as sequences.

    Args:
        seed: Seed of the split and of the bits drawn once.
        binarize: "none", "threshold", "static" or "dynamic".
        download: Nothing to download: the rows come with scikit-learn.

    Returns:
        1257 rows in train, 180 in valid and 360 in test.

    Raises:
        ValueError: If the mode is unknown.
    """
    check_mode("digits_rows", binarize, MODES)
    data = digits.load(seed, binarize)
    return make_data(
        "digits_rows",
        (_cut(data.train), _cut(data.valid), _cut(data.test)),
        ("x", "seen"),
        seed,
        observe=draw_bits if binarize == "dynamic" else keep,
        binarize=binarize,
        levels=17,
    )


def _cut(batch: Batch) -> tuple[Tensor, Tensor]:
    x = batch[0].reshape(-1, SIDE, SIDE)
    return x, x.new_ones(len(x), SIDE)
