"""Reading pictures and labels in the idx format of MNIST, packed by gzip or not.

Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits.
"""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

MOST_BYTES = 2**28  # the largest file of MNIST has 47 million

PICTURE_FILES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
LABEL_FILES = ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")


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
    start = 4 + 4 * dims
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _shape(path, file.read(start), what, dims)
            promised = math.prod(shape)
            raw = file.read(promised + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"Cannot read {path}: {error}. Replace it by an intact copy.") from error
    if len(raw) != promised:
        held = f"{start + len(raw)}" if len(raw) < promised else "more"
        raise ValueError(
            f"Expected {path} to hold {start + promised} bytes for {what} of shape {shape}; got "
            f"{held}. Replace it by an intact copy."
        )
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _shape(path: Path, header: bytes, what: str, dims: int) -> tuple[int, ...]:
    """The shape in the header, checked before the file is unpacked to that size."""
    if len(header) < 4 + 4 * dims or header[:4] != bytes((0, 0, 8, dims)):
        raise ValueError(
            f"Expected {path} to begin with an idx header of {what}, 0000080{dims}...; got "
            f"{header[:4].hex() or 'nothing'}. Replace it by an intact copy."
        )
    shape = tuple(int(n) for n in np.frombuffer(header, ">i4", count=dims, offset=4))
    if min(shape) < 1 or math.prod(shape) > MOST_BYTES:
        raise ValueError(
            f"Expected {path} to hold at least one row and at most {MOST_BYTES} bytes of {what}; "
            f"its header says shape {shape}. Replace it by an intact copy."
        )
    return shape


def check_digest(path: Path, values: Pixels, expected: str | None) -> None:
    """Refuses a file whose contents are not those published, packed or not.

    Args:
        path: the file that the values were read from.
        values: of shape (rows, ...).
        expected: SHA-256 of the unpacked file in hex; None where none is known.

    Raises:
        ValueError: naming both digests.
    """
    if expected is None:
        return
    header = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">i4").tobytes()
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(values).data)
    if digest.hexdigest() != expected:
        raise ValueError(
            f"Expected {path} to hold what was published, SHA-256 {expected}; got "
            f"{digest.hexdigest()}. Delete it, and fetch an intact copy."
        )
