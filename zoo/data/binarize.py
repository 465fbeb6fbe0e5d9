"""Four ways from intensities in [0, 1] to the bits of a Bernoulli likelihood.

- none: intensities stay as they are.
- threshold: a pixel is on where its intensity is above 0.5.
- static: each pixel is drawn once, on with probability equal to its intensity.
- dynamic: train is drawn afresh for every minibatch; valid and test are drawn once.

Source: Salakhutdinov and Murray (2008), On the quantitative analysis of deep belief networks
(static); Burda, Grosse and Salakhutdinov (2016), Importance weighted autoencoders (dynamic).
"""

import torch
from torch import Tensor

from zoo.checks.shown import shown
from zoo.data.data import Batch, Observe, Splits, keep
from zoo.data.stream import stream

MODES = ("none", "threshold", "static", "dynamic")


def draw_bits(batch: Batch) -> Batch:
    """Draw fresh bits for the first tensor of a minibatch, from the global generator.

    Args:
        batch: The first tensor holds intensities in [0, 1], of any shape.

    Returns:
        The minibatch with 0 and 1 in place of the intensities, in their dtype.
    """
    x, *rest = batch
    return ((torch.rand_like(x) < x).to(x.dtype), *rest)


def check_mode(name: str, binarize: str, allowed: tuple[str, ...]) -> None:
    """Refuse a binarization that a data set does not have.

    Args:
        name: Name of the data set.
        binarize: The mode asked for.
        allowed: The modes it has.

    Raises:
        ValueError: If the mode is not among those allowed.
    """
    if not isinstance(binarize, str) or binarize not in allowed:
        raise ValueError(
            f"Expected binarize of {name} to be one of {', '.join(allowed)}; got "
            f"{shown(binarize)}. Use binarize={allowed[0]!r}, or leave it out."
        )


def binarize_splits(splits: Splits, binarize: str, seed: int) -> tuple[Splits, Observe]:
    """Binarize the first tensor of every split.

    Each split has a random stream of its own, so static and dynamic data of one seed share
    their valid and test bits.

    Args:
        splits: Train, valid and test; the first tensor of each holds intensities in [0, 1].
        binarize: One of `MODES`.
        seed: Seed of the bits drawn once.

    Returns:
        The splits, and what is done to each minibatch of train.

    Raises:
        ValueError: If the mode is unknown.
    """
    check_mode("pictures", binarize, MODES)
    train, valid, test = splits
    if binarize == "none":
        return splits, keep
    if binarize == "threshold":
        return (_threshold(train), _threshold(valid), _threshold(test)), keep
    once = _draw_once(valid, seed, "valid"), _draw_once(test, seed, "test")
    if binarize == "static":
        return (_draw_once(train, seed, "train"), *once), keep
    return (train, *once), draw_bits


def _threshold(batch: Batch) -> Batch:
    return ((batch[0] > 0.5).to(batch[0].dtype), *batch[1:]) if batch else ()


def _draw_once(batch: Batch, seed: int, split: str) -> Batch:
    if not batch:
        return ()
    x, *rest = batch
    return (_bits(x, stream(seed, f"{split} bits")), *rest)


def _bits(x: Tensor, generator: torch.Generator) -> Tensor:
    # Single precision whatever the dtype: a seed stands for the same bits in either precision.
    noise = torch.rand(x.shape, generator=generator, dtype=torch.float32)
    return (noise < x.to(torch.float32)).to(x.dtype)
