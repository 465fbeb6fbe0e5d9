"""MNIST: 70000 grey pictures of handwritten digits, 28 by 28 pixels.

Source: LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document
recognition.
"""

from pathlib import Path

from zoo.data.official import OfficialPictures

DIGESTS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
}


def fetch(folder: Path) -> None:
    """Download the files into the folder MNIST/raw of a folder."""
    # Imported here: it takes seconds, and only a download needs it.
    from torchvision.datasets import MNIST

    MNIST(folder, download=True)


load = OfficialPictures(
    name="mnist",
    title="MNIST",
    folder="mnist",
    torchvision_folder="MNIST/raw",
    mean=0.1307,
    digests=DIGESTS,
    fetch=fetch,
    way="Download them with download=True (--download on the command line), or put the files in "
    "the folder that ZOO_DATA names.",
)
