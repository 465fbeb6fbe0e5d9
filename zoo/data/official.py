"""Pictures that come in MNIST's files: 60000 rows to train on, 10000 to test on."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from zoo.checks.arguments import whole
from zoo.data.data import Splits
from zoo.data.idx import (
    FILES,
    LABELS,
    Pixels,
    check_digest,
    find_file,
    read_images,
    read_labels,
)
from zoo.data.places import DataNotFound


def find_folder(places: Iterable[Path]) -> Path | None:
    """First folder that holds both files of pictures, or None."""
    return next((p for p in places if all(find_file(p, file) for file in FILES)), None)


def fetch_files(fetch: Callable[[], None], title: str, way: str, folder: Path) -> Path:
    """Download the files.

    Args:
        fetch: Downloads into the folder.
        title: Name of the data set as people write it.
        way: What to do when the download fails, as a sentence.
        folder: Where the files are afterwards.

    Returns:
        The folder.

    Raises:
        DataNotFound: If the download fails.
    """
    try:
        fetch()
    except (OSError, RuntimeError) as error:
        reason = f"The download failed: {error}\n{way}"
        raise DataNotFound(title, FILES, (folder,), reason) from error
    return folder


def read_official(
    folder: Path, title: str, mean: float, valid_rows: int, digests: Mapping[str, str]
) -> Splits:
    """Read the pictures and split them: valid is the last rows of the official train.

    Args:
        folder: Holds both files.
        title: Name of the data set as people write it.
        mean: Published mean intensity of the official train, in [0, 1].
        valid_rows: Rows taken from the end of the official train; 0 for no such split.
        digests: File -> SHA-256 of its unpacked contents; the files are held against them.

    Returns:
        Intensities in [0, 1] of shape (rows, height * width), in the default dtype.

    Raises:
        ValueError: If a file is damaged or belongs to another data set, or valid_rows does
            not leave a row to train on.
    """
    paths = [find_file(folder, file) or folder / file for file in FILES]
    train, test = (read_images(path) for path in paths)
    way = f"Leave a row of the {len(train)} to train on."
    whole(f"valid_rows of {title}", valid_rows, least=0, most=len(train) - 1, way=way)
    _check_mean(train, folder, title, mean)
    for file, path, pixels in zip(FILES, paths, (train, test), strict=True):
        check_digest(path, pixels, digests.get(file))
    x = _intensities(train)
    cut = len(x) - valid_rows
    return (x[:cut],), (x[cut:],) if valid_rows else (), (_intensities(test),)


def read_classes(folder: Path, valid_rows: int, digests: Mapping[str, str]) -> Splits:
    """Read the labels, split as the pictures are.

    Args:
        folder: Holds both files of labels.
        valid_rows: Rows taken from the end of the official train.
        digests: File -> SHA-256 of its unpacked contents; the files are held against them.

    Returns:
        Classes as integers, of shape (rows,).

    Raises:
        ValueError: If a file is missing or damaged.
    """
    paths = [find_file(folder, file) or folder / file for file in LABELS]
    train, test = (read_labels(path) for path in paths)
    for file, path, classes in zip(LABELS, paths, (train, test), strict=True):
        check_digest(path, classes, digests.get(file))
    y, cut = torch.tensor(train).long(), len(train) - valid_rows
    return (y[:cut],), (y[cut:],) if valid_rows else (), (torch.tensor(test).long(),)


def _check_mean(train: Pixels, folder: Path, title: str, mean: float) -> None:
    # MNIST and Fashion-MNIST share their file names; only the pixels tell them apart.
    found = float(train.mean()) / 255
    if not abs(found - mean) < 0.001:
        raise ValueError(
            f"Expected the mean intensity {mean:.4f} of {title}; the files in {folder} have "
            f"{found:.4f}, so they are of another data set. Put each set in its own folder."
        )


def _intensities(pixels: Pixels) -> Tensor:
    return torch.tensor(pixels).flatten(1).to(torch.get_default_dtype()).div_(255)
