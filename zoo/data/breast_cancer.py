"""Breast cancer: 569 tumours, 30 measurements of cell nuclei each; comes with scikit-learn.

Source: Street, Wolberg and Mangasarian (1993), Nuclear feature extraction for breast tumor
diagnosis, UCI repository.
"""

import torch
from torch import Tensor

from zoo.data.binarize import check_mode
from zoo.data.data import Batch, Data, make_data
from zoo.data.split import split_rows

SIZES = (455, 57, 57)


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Load the tumours.

    Args:
        seed: Seed of the split.
        binarize: "none".
        download: Nothing to download: the rows come with scikit-learn.

    Returns:
        x of shape (rows, 31), a column of ones and the measurements in units of their
        standard deviation over train, and y of shape (rows,), 1 for benign and 0 for
        malignant: 455 rows in train, 57 in valid and 57 in test.

    Raises:
        ValueError: If binarize is not "none".
    """
    # Imported here: it takes a second, and the other sets do not need it.
    from sklearn.datasets import load_breast_cancer

    check_mode("breast_cancer", binarize, ("none",))
    source = load_breast_cancer()
    batch = (torch.from_numpy(source.data), torch.from_numpy(source.target))
    train, valid, test = split_rows(batch, SIZES, seed)
    sd, mean = torch.std_mean(train[0], 0, correction=0)
    splits = (
        _standardize(train, mean, sd),
        _standardize(valid, mean, sd),
        _standardize(test, mean, sd),
    )
    return make_data("breast_cancer", splits, ("x", "y"), seed)


def _standardize(batch: Batch, mean: Tensor, sd: Tensor) -> Batch:
    x, y = batch
    z = torch.cat([torch.ones_like(x[:, :1]), (x - mean) / sd], 1)
    return z.to(torch.get_default_dtype()), y.to(torch.get_default_dtype())
