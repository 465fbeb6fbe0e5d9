"""Reading pictures in the idx format of MNIST, packed by gzip or not.

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
    raw = _read_bytes(path)
    if len(raw) < 16 or raw[:4] != bytes((0, 0, 8, 3)):
        raise ValueError(
            f"Expected {path} to begin with an idx header of pictures, 00000803...; got "
            f"{raw[:4].hex() or 'nothing'} in {len(raw)} bytes. Replace it by an intact copy."
        )
    shape = tuple(int(n) for n in np.frombuffer(raw, ">i4", count=3, offset=4))
    if len(raw) != 16 + math.prod(shape):
        raise ValueError(
            f"Expected {path} to hold {16 + math.prod(shape)} bytes for pictures of shape "
            f"{shape}; got {len(raw)}. Replace it by an intact copy."
        )
    return np.frombuffer(raw, np.uint8, offset=16).reshape(shape)


def _read_bytes(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"Cannot read {path}: {error}. Replace it by an intact copy.") from error
