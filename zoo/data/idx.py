"""Reading pictures and labels in the idx format of MNIST, packed by gzip or not.

Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

FILES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
LABELS = ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")


def find_file(folder: Path, file: str) -> Path | None:
    """Path of an idx file in a folder, unpacked or with the ending .gz.

    Args:
        folder: Where to look; need not exist.
        file: Name without the ending.

    Returns:
        The path, or None if the folder holds neither.
    """
    candidates = (folder / file, folder / f"{file}.gz")
    return next((path for path in candidates if path.is_file()), None)


def read_images(path: Path) -> Pixels:
    """Read the pictures in an idx file.

    Args:
        path: The file, packed if its name ends in .gz.

    Returns:
        Intensities 0 to 255, of shape (rows, height, width).

    Raises:
        ValueError: If the file cannot be unpacked, holds no pictures, or is cut short.
    """
    return _read(path, "pictures", 3)


def read_labels(path: Path) -> Pixels:
    """Read the labels in an idx file.

    Args:
        path: The file, packed if its name ends in .gz.

    Returns:
        Classes, 0 to 255, of shape (rows,).

    Raises:
        ValueError: If the file cannot be unpacked, holds no labels, or is cut short.
    """
    return _read(path, "labels", 1)


def _read(path: Path, what: str, dims: int) -> Pixels:
    raw, start = _read_bytes(path), 4 + 4 * dims
    if len(raw) < start or raw[:4] != bytes((0, 0, 8, dims)):
        raise ValueError(
            f"Expected {path} to begin with an idx header of {what}, 0000080{dims}...; got "
            f"{raw[:4].hex() or 'nothing'} in {len(raw)} bytes. Replace it by an intact copy."
        )
    shape = tuple(int(n) for n in np.frombuffer(raw, ">i4", count=dims, offset=4))
    if len(raw) != start + math.prod(shape):
        raise ValueError(
            f"Expected {path} to hold {start + math.prod(shape)} bytes for {what} of shape "
            f"{shape}; got {len(raw)}. Replace it by an intact copy."
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _read_bytes(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"Cannot read {path}: {error}. Replace it by an intact copy.") from error
