"""From splits of intensities to a data set of flattened pictures."""

from zoo.data.binarize import binarize_splits
from zoo.data.data import Data, Splits, make_data


def make_pictures(
    name: str,
    splits: Splits,
    image: tuple[int, int],
    binarize: str,
    seed: int,
    levels: int = 256,
) -> Data:
    """Data set of pictures, binarized.

    Args:
        name: Name of the data set.
        splits: Train, valid and test, each () or one tensor of intensities in [0, 1], of
            shape (rows, height * width).
        image: Height and width in pixels.
        binarize: "none", "threshold", "static" or "dynamic".
        seed: Seed of the split and of the bits drawn once.
        levels: Grey levels of the intensities, evenly spaced over [0, 1].

    Returns:
        The data set; its only tensor is labelled "x".

    Raises:
        ValueError: If the mode is unknown.
    """
    splits, observe = binarize_splits(splits, binarize, seed)
    return make_data(
        name,
        splits,
        ("x",),
        seed,
        image=image,
        observe=observe,
        binarize=binarize,
        levels=levels,
    )
