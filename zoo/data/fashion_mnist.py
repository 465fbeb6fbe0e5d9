"""Fashion-MNIST: 70000 grey pictures of clothes, 28 by 28 pixels.

Source: Xiao, Rasul and Vollgraf (2017), Fashion-MNIST: a novel image dataset for benchmarking
machine learning algorithms.
"""

from pathlib import Path

from zoo.data.official import OfficialPictures

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
DIGESTS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def fetch(folder: Path) -> None:
    """Download the files into the folder FashionMNIST/raw of a folder."""
    # Imported here: it takes seconds, and only a download needs it.
    from torchvision.datasets import FashionMNIST

    FashionMNIST(folder, download=True)


load = OfficialPictures(
    name="fashion_mnist",
    title="Fashion-MNIST",
    folder="fashion-mnist",
    torchvision_folder="FashionMNIST/raw",
    mean=0.2860,
    digests=DIGESTS,
    fetch=fetch,
    way="Download them with download=True (--download on the command line), or install the Debian "
    "package dataset-fashion-mnist, or put the files in the folder that ZOO_DATA names.",
    installed=(DEBIAN_FOLDER,),
)
