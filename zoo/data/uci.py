"""A table of the UCI repository with outcomes, from a file in the folder that ZOO_DATA names."""

from pathlib import Path

import numpy as np
import torch

from zoo.data.data import Batch
from zoo.data.places import DataNotFound, data_folders


def read_table(file: str, shape: tuple[int, int]) -> Batch:
    """The arrays x and y of an npz file.

    Args:
        file: its name.
        shape: rows and columns of x.

    Returns:
        x of that shape and y of shape (rows,), float64.

    Raises:
        DataNotFound: if the file is in none of the places.
        ValueError: if its arrays have other shapes.
    """
    places = data_folders(".")
    path = next((place / file for place in places if (place / file).is_file()), None)
    if path is None:
        way = f"Put {file} in the folder that ZOO_DATA names: arrays x of shape {shape} and y."
        raise DataNotFound(f"the table of {file}", (file,), places, way)
    return _checked(path, shape)


def _checked(path: Path, shape: tuple[int, int]) -> Batch:
    with np.load(path) as archive:
        x, y = (torch.from_numpy(archive[key]).double() for key in ("x", "y"))
    if tuple(x.shape) != shape or tuple(y.shape) != shape[:1]:
        raise ValueError(
            f"Expected x and y in {path} of shapes {shape} and {shape[:1]}; got {tuple(x.shape)} "
            f"and {tuple(y.shape)}. Put the UCI repository's table there."
        )
    return x, y
