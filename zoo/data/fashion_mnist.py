"""Fashion-MNIST: 70000 grey pictures of clothes, 28 by 28 pixels.

Source: Xiao, Rasul and Vollgraf (2017), Fashion-MNIST: a novel image dataset for benchmarking
machine learning algorithms.
"""

from pathlib import Path

from zoo.data.binarize import MODES, check_mode
from zoo.data.data import Data
from zoo.data.idx import FILES
from zoo.data.official import fetch_files, find_folder, read_official
from zoo.data.pictures import make_pictures
from zoo.data.places import CACHE, DataNotFound, data_folders

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
DOWNLOADS = CACHE
MEAN = 0.2860
DIGESTS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
WAY = (
    "Download them with download=True (--download on the command line), or install the Debian "
    "package dataset-fashion-mnist, or put the files in the folder that ZOO_DATA names."
)


def load(
    seed: int = 0,
    binarize: str = "dynamic",
    *,
    download: bool = False,
    valid_rows: int = 10_000,
) -> Data:
    """Load Fashion-MNIST.

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
    check_mode("fashion_mnist", binarize, MODES)
    splits = read_official(find(download=download), "Fashion-MNIST", MEAN, valid_rows, DIGESTS)
    return make_pictures("fashion_mnist", splits, (28, 28), binarize, seed)


def find(*, download: bool = False) -> Path:
    """Folder of the files.

    Args:
        download: Whether to download them where they are missing.

    Raises:
        DataNotFound: If the files are missing and download is not asked for, or fails.
    """
    cached = DOWNLOADS / "FashionMNIST" / "raw"
    places = (*data_folders("fashion-mnist", "FashionMNIST/raw", "."), DEBIAN, cached)
    folder = find_folder(places)
    if folder is None and not download:
        raise DataNotFound("Fashion-MNIST", FILES, places, WAY)
    return folder or fetch_files(_fetch, "Fashion-MNIST", WAY, cached)


def _fetch() -> None:
    # Imported here: it takes seconds, and only a download needs it.
    from torchvision.datasets import FashionMNIST

    FashionMNIST(DOWNLOADS, download=True)
