"""Grey pictures in MNIST's files: 60000 rows to train on and 10000 to test on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.checks.arguments import whole
from zoo.data.binarize import MODES, check_mode
from zoo.data.data import Data, Splits
from zoo.data.idx import (
    LABEL_FILES,
    PICTURE_FILES,
    Pixels,
    check_digest,
    find_file,
    read_images,
    read_labels,
)
from zoo.data.pictures import make_pictures
from zoo.data.places import CACHE, DataNotFound, data_folders

VALID_ROWS = 10_000


@dataclass(frozen=True)
class OfficialPictures:
    """Loads pictures of 28 by 28 pixels with their official split: called, it gives a data set.

    Attributes:
        name: Name in the table of data sets.
        title: Name as people write it.
        folder: Where the files may lie in the folder of ZOO_DATA.
        torchvision_folder: Where torchvision puts them; they may lie so in ZOO_DATA too.
        mean: Published mean intensity of the official train, in [0, 1].
        digests: File -> SHA-256 of its unpacked contents; the files are held against them.
        fetch: Downloads the files by torchvision, into a folder given.
        way: What to do where files are missing, as a sentence.
        installed: Folders outside of ZOO_DATA that may hold the files.
        downloads: Folder that `fetch` is given.
    """

    name: str
    title: str
    folder: str
    torchvision_folder: str
    mean: float
    digests: Mapping[str, str]
    fetch: Callable[[Path], object]
    way: str
    installed: tuple[Path, ...] = ()
    downloads: Path = CACHE

    def __call__(
        self,
        seed: int = 0,
        binarize: str = "dynamic",
        *,
        download: bool = False,
        valid_rows: int = VALID_ROWS,
    ) -> Data:
        """Load the pictures.

        Args:
            seed: Seed of the bits drawn once; the split is the official one.
            binarize: "none", "threshold", "static" or "dynamic".
            download: Whether to download the files where they are missing.
            valid_rows: Rows of valid, the last of the official 60000 train rows.

        Returns:
            x of shape (rows, 784): 50000 rows in train, 10000 in valid and 10000 in test.

        Raises:
            DataNotFound: If the files are missing and download is not asked for, or fails.
            ValueError: If a file is damaged, or a mode or valid_rows is out of range.
        """
        check_mode(self.name, binarize, MODES)
        splits = self.read_pictures(self.find(download=download), valid_rows)
        return make_pictures(self.name, splits, (28, 28), binarize, seed)

    @property
    def places(self) -> tuple[Path, ...]:
        """Folders where the files are looked for, in this order."""
        given = data_folders(self.folder, self.torchvision_folder, ".")
        return (*given, *self.installed, self.downloads / self.torchvision_folder)

    def find(self, *, download: bool = False) -> Path:
        """The first folder that holds both files of pictures.

        Args:
            download: Whether to download the files where they are missing.

        Raises:
            DataNotFound: If the files are missing and download is not asked for, or fails.
        """
        for place in self.places:
            if all(find_file(place, file) for file in PICTURE_FILES):
                return place
        if not download:
            raise DataNotFound(self.title, PICTURE_FILES, self.places, self.way)
        return self._download()

    def _download(self) -> Path:
        folder = self.downloads / self.torchvision_folder
        try:
            self.fetch(self.downloads)
        except (OSError, RuntimeError) as error:
            reason = f"The download failed: {error}\n{self.way}"
            raise DataNotFound(self.title, PICTURE_FILES, (folder,), reason) from error
        return folder

    def read_pictures(self, folder: Path, valid_rows: int = VALID_ROWS) -> Splits:
        """Read the pictures and split them: valid is the last rows of the official train.

        Args:
            folder: Holds both files.
            valid_rows: Rows taken from the end of the official train; 0 for no such split.

        Returns:
            Intensities in [0, 1] of shape (rows, height * width), in the default dtype.

        Raises:
            ValueError: If a file is damaged or belongs to another data set, or valid_rows does
                not leave a row to train on.
        """
        paths = [find_file(folder, file) or folder / file for file in PICTURE_FILES]
        train, test = (read_images(path) for path in paths)
        way = f"Leave a row of the {len(train)} to train on."
        whole(f"valid_rows of {self.title}", valid_rows, least=0, most=len(train) - 1, way=way)
        _check_mean(train, folder, self.title, self.mean)
        for file, path, pixels in zip(PICTURE_FILES, paths, (train, test), strict=True):
            check_digest(path, pixels, self.digests.get(file))
        return _split(_intensities(train), _intensities(test), valid_rows)

    def read_classes(self, folder: Path, valid_rows: int = VALID_ROWS) -> Splits:
        """Read the labels, split as the pictures are.

        Args:
            folder: Holds both files of labels.
            valid_rows: Rows taken from the end of the official train.

        Returns:
            Classes as integers, of shape (rows,).

        Raises:
            ValueError: If a file is missing or damaged.
        """
        paths = [find_file(folder, file) or folder / file for file in LABEL_FILES]
        train, test = (read_labels(path) for path in paths)
        for file, path, classes in zip(LABEL_FILES, paths, (train, test), strict=True):
            check_digest(path, classes, self.digests.get(file))
        return _split(torch.tensor(train).long(), torch.tensor(test).long(), valid_rows)


def _split(train: Tensor, test: Tensor, valid_rows: int) -> Splits:
    cut = len(train) - valid_rows
    return (train[:cut],), (train[cut:],) if valid_rows else (), (test,)


def _check_mean(train: Pixels, folder: Path, title: str, mean: float) -> None:
    # MNIST and Fashion-MNIST use the same file names; only the pixels tell which set it is.
    found = float(train.mean()) / 255
    if not abs(found - mean) < 0.001:
        raise ValueError(
            f"Expected the mean intensity {mean:.4f} of {title}; the files in {folder} have "
            f"{found:.4f}, so they are of another data set. Put each set in its own folder."
        )


def _intensities(pixels: Pixels) -> Tensor:
    return torch.tensor(pixels).flatten(1).to(torch.get_default_dtype()).div_(255)
