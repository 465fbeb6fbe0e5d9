"""Tables of real measurements without labels, for densities.

Columns with few values are left out, where a density means nothing, and so is the second of two
columns that say nearly the same. Other columns keep their units, so that log densities are
comparable from model to model, and not from table to table. Many measurements are rounded:
densities can profit from that, and exceed 1 by far.

Source: the rule is that of Uria, Murray and Larochelle (2013), RNADE: the real-valued neural
autoregressive density-estimator, NeurIPS; the tables are of the UCI repository.
Departs from the paper: columns are not standardised.

As `breast_cancer_table`: Measurements of 569 tumours, 26 columns; comes with scikit-learn.
As `wine_table`: Measurements of 1599 red wines, 11 columns.
As `ionosphere_table`: 351 radar returns from the ionosphere, 32 columns.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.binarize import check_mode
from zoo.data.data import Data, make_data
from zoo.data.places import DataNotFound, data_folders
from zoo.data.split import split_rows

FEWEST_VALUES = 10
LARGEST_CORRELATION = 0.98
SHARE = 10  # one row of so many is for valid, and one for test


def breast_cancer_table(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Tumours, x of shape (rows, 26): 457 rows in train, 56 in valid and 56 in test."""
    # Imported here: it takes a second, and the other sets do not need it.
    from sklearn.datasets import load_breast_cancer

    check_mode("breast_cancer_table", binarize, ("none",))
    return _table("breast_cancer_table", torch.from_numpy(load_breast_cancer().data), seed)


def wine_table(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Red wines, x of shape (rows, 11): 1281 rows in train, 159 in valid and 159 in test."""
    check_mode("wine_table", binarize, ("none",))
    return _table("wine_table", _read("uci_wine.npz", 1599, 11), seed)


def ionosphere_table(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Radar returns, x of shape (rows, 32): 281 rows in train, 35 in valid and 35 in test."""
    check_mode("ionosphere_table", binarize, ("none",))
    return _table("ionosphere_table", _read("ionosphere.npz", 351, 34), seed)


def _table(name: str, x: Tensor, seed: int) -> Data:
    x = x[:, kept_columns(x)].to(torch.get_default_dtype())
    part = len(x) // SHARE
    splits = split_rows((x,), (len(x) - 2 * part, part, part), seed)
    return make_data(name, splits, ("x",), seed)


def kept_columns(x: Tensor) -> list[int]:
    """The columns of a table (rows, columns) that a density is fitted to."""
    varied = [i for i in range(x.shape[1]) if len(x[:, i].unique()) > FEWEST_VALUES]
    alike = torch.corrcoef(x.mT).abs() > LARGEST_CORRELATION
    kept: list[int] = []
    for i in varied:
        if not any(alike[i, j] for j in kept):
            kept.append(i)
    return kept


def _read(file: str, rows: int, columns: int) -> Tensor:
    places = data_folders(".")
    path = next((place / file for place in places if (place / file).is_file()), None)
    if path is None:
        way = (
            f"Put {file} in the folder that ZOO_DATA names: an array x of shape {(rows, columns)}."
        )
        raise DataNotFound(f"the table of {file}", (file,), places, way)
    return _checked(path, rows, columns)


def _checked(path: Path, rows: int, columns: int) -> Tensor:
    with np.load(path) as archive:
        x = torch.from_numpy(archive["x"]).double()
    if tuple(x.shape) != (rows, columns):
        raise ValueError(
            f"Expected x in {path} of shape {(rows, columns)}; got {tuple(x.shape)}. Put the UCI "
            "repository's table there."
        )
    return x
