"""Tables of the papers on Bayesian neural networks, nine rows of ten to train on and one to test.

x (rows, D) and y (rows,), both less their mean over the train rows, in units of their standard
deviation there. Another seed is another split; there is no valid.
Source: the UCI repository; Hernandez-Lobato & Adams (2015), Probabilistic backpropagation for
scalable learning of Bayesian neural networks, for the shares of the split.
Departs from the paper: its splits are not stored here; those of the zoo's seeds are others.

As `boston`: Prices of 506 homes by 13 features.
As `concrete`: Strengths of 1030 samples of concrete by 8 features.
As `wine_quality`: Marks of 1599 red wines by 11 measurements.
As `yacht`: Resistance of 308 hulls by 6 features.
"""

import torch

from zoo.data.binarize import check_mode
from zoo.data.data import Batch, Data, Splits, make_data
from zoo.data.split import split_rows
from zoo.data.uci import read_table

SHARE = 10  # one row of so many is for test
TABLES = {
    "boston": ("uci_boston.npz", (506, 13)),
    "concrete": ("uci_concrete.npz", (1030, 8)),
    "wine_quality": ("uci_wine.npz", (1599, 11)),
    "yacht": ("uci_yacht.npz", (308, 6)),
}


def boston(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Homes: x of shape (rows, 13), 456 rows in train and 50 in test."""
    return _standardised("boston", binarize, seed)


def concrete(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Samples of concrete: x of shape (rows, 8), 927 rows in train and 103 in test."""
    return _standardised("concrete", binarize, seed)


def wine_quality(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Red wines: x of shape (rows, 11), 1440 rows in train and 159 in test."""
    return _standardised("wine_quality", binarize, seed)


def yacht(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Hulls: x of shape (rows, 6), 278 rows in train and 30 in test."""
    return _standardised("yacht", binarize, seed)


def unit_of_y(name: str, seed: int = 0) -> float:
    """Standard deviation of the train outcomes, in the table's own unit: that of y in the data.

    Args:
        name: a name in TABLES.
        seed: of the split.

    Raises:
        DataNotFound: if the file is missing.
    """
    return float(_split(name, seed)[0][1].std(correction=0))


def _standardised(name: str, binarize: str, seed: int) -> Data:
    check_mode(name, binarize, ("none",))
    train, _, test = _split(name, seed)
    moments = [torch.std_mean(part, 0, correction=0) for part in train]
    dtype = torch.get_default_dtype()

    def scaled(batch: Batch) -> Batch:
        return tuple(
            ((part - mean) / torch.where(sd > 0, sd, 1.0)).to(dtype)
            for part, (sd, mean) in zip(batch, moments, strict=True)
        )

    splits = scaled(train), (), scaled(test)
    return make_data(name, splits, ("x", "y"), seed, rowwise=False)


def _split(name: str, seed: int) -> Splits:
    x, y = read_table(*TABLES[name])
    held = len(x) // SHARE
    return split_rows((x, y), (len(x) - held, 0, held), seed)
