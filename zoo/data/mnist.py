"""MNIST: 70000 grey pictures of handwritten digits, 28 by 28 pixels.

Source: LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document
recognition.
"""

from zoo.data.binarize import MODES, check_mode
from zoo.data.data import Data
from zoo.data.idx import FILES
from zoo.data.official import fetch_files, find_folder, read_official
from zoo.data.pictures import make_pictures
from zoo.data.places import CACHE, DataNotFound, data_folders

DOWNLOADS = CACHE
MEAN = 0.1307
DIGESTS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
}
WAY = (
    "Download them with download=True (--download on the command line), or put the files in "
    "the folder that ZOO_DATA names."
)


def load(
    seed: int = 0,
    binarize: str = "dynamic",
    *,
    download: bool = False,
    valid_rows: int = 10_000,
) -> Data:
    """Load MNIST.

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
    check_mode("mnist", binarize, MODES)
    cached = DOWNLOADS / "MNIST" / "raw"
    places = (*data_folders("mnist", "MNIST/raw", "."), cached)
    folder = find_folder(places)
    if folder is None and not download:
        raise DataNotFound("MNIST", FILES, places, WAY)
    folder = folder or fetch_files(_fetch, "MNIST", WAY, cached)
    splits = read_official(folder, "MNIST", MEAN, valid_rows, DIGESTS)
    return make_pictures("mnist", splits, (28, 28), binarize, seed)


def _fetch() -> None:
    # Imported here: it takes seconds, and only a download needs it.
    from torchvision.datasets import MNIST

    MNIST(DOWNLOADS, download=True)
