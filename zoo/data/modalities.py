"""Pictures with a second view of each: its label, or its other half.

A row is (x, y, seen). The loss of Wu and Goodman is a sum of three bounds for each row of train:
with both views, with x alone and with y alone. Each minibatch draws one of the three patterns for
each of its rows and sets a hidden view to zeros, so its loss is an unbiased estimate of a third of
that sum. Rows of valid and test have both views.

Source: Wu and Goodman (2018), Multimodal generative models for scalable weakly-supervised
learning, NeurIPS.

As `digits_halves`: Digits as two views: the upper and the lower half of each picture.
As `digits_labels`: Digits as two views: each picture, and its label.
As `fashion_halves`: Fashion-MNIST as two views: both halves of each picture.
As `fashion_labels`: Fashion-MNIST as two views: each picture, and its label.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from zoo.data import digits, fashion_mnist
from zoo.data.binarize import MODES, binarize_splits, check_mode, draw_bits
from zoo.data.data import Batch, Data, Splits, make_data
from zoo.data.split import split_rows

CLASSES = 10
VIEWS = ("x", "y", "seen")


@dataclass(frozen=True)
class PictureFormat:
    """Size and grey levels of pictures.

    Attributes:
        image: Height and width in pixels.
        levels: Grey levels.
    """

    image: tuple[int, int]
    levels: int


DIGITS = PictureFormat((8, 8), levels=17)
FASHION = PictureFormat((28, 28), levels=256)


def hide(batch: Batch) -> Batch:
    """Hide x, y or neither in each row, by chance one third each; hidden values are zeros.

    Args:
        batch: x of shape (rows, D), y of shape (rows, E), seen of shape (rows, 2).

    Returns:
        The same with zeros where hidden, in `seen` too.
    """
    x, y, seen = batch
    u = torch.rand_like(seen[:, :1])
    shown = seen * torch.cat([u < 2 / 3, u > 1 / 3], -1)
    return x * shown[:, :1], y * shown[:, 1:], shown


def draw_and_hide(batch: Batch) -> Batch:
    """Draw fresh bits for x, then hide one view or none; y is a label."""
    return hide(draw_bits(batch))


def draw_both_and_hide(batch: Batch) -> Batch:
    """Draw fresh bits for x and for y, both halves of a picture, then hide one view or none."""
    x, y, seen = draw_bits(batch)
    (y,) = draw_bits((y,))
    return hide((x, y, seen))


def digits_labels(seed: int = 0, binarize: str = "dynamic", *, download: bool = False) -> Data:
    """Digits, x of shape (rows, 64), and their labels, y one-hot of shape (rows, 10)."""
    check_mode("digits_labels", binarize, MODES)
    return _labels("digits_labels", _digits(seed), DIGITS, seed, binarize)


def digits_halves(seed: int = 0, binarize: str = "dynamic", *, download: bool = False) -> Data:
    """Upper and lower halves of the digits, x and y of shape (rows, 32)."""
    check_mode("digits_halves", binarize, MODES)
    return _halves("digits_halves", _digits(seed), DIGITS, seed, binarize)


def fashion_labels(seed: int = 0, binarize: str = "dynamic", *, download: bool = False) -> Data:
    """Fashion-MNIST, x of shape (rows, 784), and its labels, y one-hot of shape (rows, 10)."""
    check_mode("fashion_labels", binarize, MODES)
    return _labels("fashion_labels", _fashion(download=download), FASHION, seed, binarize)


def fashion_halves(seed: int = 0, binarize: str = "dynamic", *, download: bool = False) -> Data:
    """Upper and lower halves of Fashion-MNIST, x and y of shape (rows, 392)."""
    check_mode("fashion_halves", binarize, MODES)
    return _halves("fashion_halves", _fashion(download=download), FASHION, seed, binarize)


def _labels(name: str, splits: Splits, pictures: PictureFormat, seed: int, binarize: str) -> Data:
    observe = draw_and_hide if binarize == "dynamic" else hide
    splits, _ = binarize_splits(splits, binarize, seed)
    train, valid, test = ((x, one_hot(y, CLASSES).to(x), _both_seen(x)) for x, y in splits)
    return make_data(
        name,
        (train, valid, test),
        VIEWS,
        seed,
        image=pictures.image,
        observe=observe,
        binarize=binarize,
        levels=pictures.levels,
        labelled=True,
    )


def _halves(name: str, splits: Splits, pictures: PictureFormat, seed: int, binarize: str) -> Data:
    observe = draw_both_and_hide if binarize == "dynamic" else hide
    splits, _ = binarize_splits(splits, binarize, seed)
    train, valid, test = ((*_cut(x), _both_seen(x)) for x, _ in splits)
    height, width = pictures.image
    return make_data(
        name,
        (train, valid, test),
        VIEWS,
        seed,
        image=(height // 2, width),
        observe=observe,
        binarize=binarize,
        levels=pictures.levels,
    )


def _cut(x: Tensor) -> tuple[Tensor, Tensor]:
    upper, lower = x.chunk(2, -1)
    return upper.contiguous(), lower.contiguous()


def _both_seen(x: Tensor) -> Tensor:
    return x.new_ones(len(x), 2)


def _digits(seed: int) -> Splits:
    return split_rows(digits.read(), digits.SIZES, seed)


def _fashion(*, download: bool) -> Splits:
    source = fashion_mnist.load
    folder = source.find(download=download)
    parts = zip(source.read_pictures(folder), source.read_classes(folder), strict=True)
    train, valid, test = ((*x, *classes) for x, classes in parts)
    return train, valid, test
