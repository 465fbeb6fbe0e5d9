"""Pictures of which a few rows of train have a label; each class has as many as the others.

A row is (x, label, labelled). The labels of all other rows are zeros, in valid and test too: log
p(x) is what a model is scored by. The rows, their splits and their bits are those of
`digits_labels` (`fashion_labels`) of the same seed, where every row has its label.

Source: Kingma, Rezende, Mohamed and Welling (2014), Semi-supervised learning with deep generative
models, NeurIPS, for the even share of labels.

As `digits_50_labels`: Digits, 50 rows of which have a label.
As `digits_100_labels`: Digits, 100 rows of which have a label.
As `digits_300_labels`: Digits, 300 rows of which have a label.
As `fashion_100_labels`: Fashion-MNIST, 100 rows of which have a label.
As `fashion_600_labels`: Fashion-MNIST, 600 rows of which have a label.
As `fashion_1000_labels`: Fashion-MNIST, 1,000 rows of which have a label.
As `fashion_3000_labels`: Fashion-MNIST, 3,000 rows of which have a label.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.data.binarize import MODES, check_mode, draw_bits
from zoo.data.data import Batch, Data, keep, make_data
from zoo.data.modalities import DIGITS, FASHION, PictureFormat, digits_labels, fashion_labels
from zoo.data.stream import stream


@dataclass(frozen=True)
class FewLabels:
    """Loads pictures with few labels: called with a seed, it gives a data set.

    Attributes:
        name: Name of the data set.
        source: Loads the pictures with all their labels.
        pictures: Their size and grey levels.
        labels: How many rows of train have a label, as many of each class.
    """

    name: str
    source: Callable[..., Data]
    pictures: PictureFormat
    labels: int

    def __call__(
        self, seed: int = 0, binarize: str = "dynamic", *, download: bool = False
    ) -> Data:
        """Load the pictures and hide all labels but a few.

        Args:
            seed: Seed of the split, of the bits drawn once, and of the rows that keep a label.
            binarize: "none", "threshold", "static" or "dynamic".
            download: Whether to download files that are missing.

        Returns:
            x (rows, D), label (rows, K) one-hot or zeros, labelled (rows, 1) of zeros and ones.

        Raises:
            ValueError: If the mode is unknown.
        """
        check_mode(self.name, binarize, MODES)
        data = self.source(seed, binarize, download=download)
        few = shown(data.train[1], self.labels, stream(seed, "rows with a label"))
        return make_data(
            self.name,
            (_with_labels(data.train, few), _without(data.valid), _without(data.test)),
            ("x", "label", "labelled"),
            seed,
            image=self.pictures.image,
            observe=draw_bits if binarize == "dynamic" else keep,
            binarize=binarize,
            levels=self.pictures.levels,
        )


def shown(classes: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Which rows keep their label: as many of each class, at random.

    Args:
        classes: One-hot, shape (rows, K).
        count: How many rows in all, a multiple of K.
        generator: What to draw from.

    Returns:
        Zeros and ones, shape (rows, 1).
    """
    each = count // classes.shape[-1]
    order = torch.randperm(len(classes), generator=generator)
    rank = torch.empty_like(classes)
    rank[order] = classes[order].cumsum(0)
    return ((rank <= each) & (classes > 0)).any(-1, keepdim=True).to(classes)


def _with_labels(batch: Batch, few: Tensor) -> Batch:
    x, label, _ = batch
    return x, label * few, few


def _without(batch: Batch) -> Batch:
    return _with_labels(batch, torch.zeros_like(batch[1][:, :1]))


digits_50_labels = FewLabels("digits_50_labels", digits_labels, DIGITS, 50)
digits_100_labels = FewLabels("digits_100_labels", digits_labels, DIGITS, 100)
digits_300_labels = FewLabels("digits_300_labels", digits_labels, DIGITS, 300)
fashion_100_labels = FewLabels("fashion_100_labels", fashion_labels, FASHION, 100)
fashion_600_labels = FewLabels("fashion_600_labels", fashion_labels, FASHION, 600)
fashion_1000_labels = FewLabels("fashion_1000_labels", fashion_labels, FASHION, 1000)
fashion_3000_labels = FewLabels("fashion_3000_labels", fashion_labels, FASHION, 3000)
