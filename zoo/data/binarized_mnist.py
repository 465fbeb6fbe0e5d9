"""Binarized MNIST: the fixed bits on which published bounds are computed.

Source: Larochelle and Murray (2011), The neural autoregressive distribution estimator; the
bits follow Salakhutdinov and Murray (2008).
"""

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.binarize import check_mode
from zoo.data.data import Data
from zoo.data.pictures import make_pictures
from zoo.data.places import DataNotFound, data_folders

FILE = "binarized_mnist.npz"
WAY = (
    f"Put {FILE} in the folder that ZOO_DATA names: arrays train, valid and test, each "
    "np.packbits(bits, axis=1) of rows of 784 pixels. It cannot be downloaded from here."
)
ROWS = {"train": 50_000, "valid": 10_000, "test": 10_000}
BYTES_OF_A_ROW = 98
DIGESTS = {
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
    "test": "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2",
}


def load(seed: int = 0, binarize: str = "static", *, download: bool = False) -> Data:
    """Load binarized MNIST.

    Args:
        seed: Recorded only: split and bits are fixed.
        binarize: "static", which is what the bits are.
        download: Nothing to download: the file is read from the folder in ZOO_DATA.

    Returns:
        x in {0, 1} of shape (rows, 784): 50000 rows in train, 10000 in valid, 10000 in test.

    Raises:
        DataNotFound: If the file is missing.
        ValueError: If the file is damaged, or binarize is not "static".
    """
    check_mode("binarized_mnist", binarize, ("static",))
    places = data_folders(".")
    path = next((place / FILE for place in places if (place / FILE).is_file()), None)
    if path is None:
        raise DataNotFound("binarized MNIST", (FILE,), places, WAY)
    train, valid, test = (_unpack(path, split, rows) for split, rows in ROWS.items())
    splits = ((train,), (valid,), (test,))
    # A draw with probability 0 or 1 leaves every bit as it is.
    return make_pictures("binarized_mnist", splits, (28, 28), binarize, seed)


def _unpack(path: Path, split: str, rows: int) -> Tensor:
    packed = _read(path, split)
    if packed.shape != (rows, BYTES_OF_A_ROW) or packed.dtype != np.uint8:
        raise ValueError(
            f"Expected {split} in {path} of shape {(rows, BYTES_OF_A_ROW)} and type uint8; got "
            f"{packed.shape} and {packed.dtype}. {WAY}"
        )
    digest = hashlib.sha256(np.ascontiguousarray(packed).data).hexdigest()
    if digest != DIGESTS[split]:
        raise ValueError(
            f"Expected the published bits of {split} in {path}, SHA-256 {DIGESTS[split]}; got "
            f"{digest}. {WAY}"
        )
    bits = np.unpackbits(packed, axis=1)
    return torch.from_numpy(bits).to(torch.get_default_dtype())


def _read(path: Path, split: str) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            return np.load(file)[split]
    except (OSError, EOFError, LookupError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"Cannot read {split} in {path}: {error}. {WAY}") from error
