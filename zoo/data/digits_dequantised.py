"""Digits with noise in the bins of their grey levels, so that a density can be fitted to them.

    y = (k + u) / 17,   k in {0, ..., 16} the level of a pixel,   u ~ Uniform[0, 1).

A density over levels themselves could grow without bound at each of them. The mean of log p(y)
over the noise, less 64 log 17, is a lower bound on the log probability of the levels. Rows of
valid and test have noise of their own, drawn once; rows of train get fresh noise in each step.

Source: Theis, van den Oord and Bethge (2016), A note on the evaluation of generative models, ICLR.
"""

import torch
from torch import Tensor

from zoo.data.binarize import check_mode
from zoo.data.data import Batch, Data, make_data
from zoo.data.digits import SIZES, read
from zoo.data.split import split_rows
from zoo.data.stream import stream

LEVELS = 17
LEAST = 1e-5


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Load the digits and draw their noise.

    Args:
        seed: Seed of the split and of the noise.
        binarize: "none".
        download: Nothing to download: the rows come with scikit-learn.

    Returns:
        x of shape (rows, 64), in [0, 1): 1257 rows in train, 180 in valid and 360 in test.

    Raises:
        ValueError: If binarize is not "none".
    """
    check_mode("digits_dequantised", binarize, ("none",))
    generator = stream(seed, "dequantised")
    splits = split_rows(read()[:1], SIZES, seed)
    train, valid, test = ((_noisy(x, generator),) for (x,) in splits)
    return make_data(
        "digits_dequantised", (train, valid, test), ("x",), seed, image=(8, 8), observe=noise_anew
    )


def _noisy(x: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.rand(x.shape, generator=generator, dtype=torch.float64)
    noise = noise.clamp(LEAST, 1 - LEAST)  # so that single precision does not round into a bin
    return ((x.double() * (LEVELS - 1)).round() + noise).div(LEVELS).to(x)


def noise_anew(batch: Batch) -> Batch:
    """Keep the levels of pixels and draw their noise again."""
    (x,) = batch
    return (((LEVELS * x).floor() + torch.rand_like(x)) / LEVELS,)
