"""Seeded random split, for data sets that have no official one."""

import torch

from zoo.data.data import Batch, Splits
from zoo.data.stream import stream


def split_rows(batch: Batch, sizes: tuple[int, int, int], seed: int) -> Splits:
    """Split rows at random into train, valid and test.

    Args:
        batch: Tensors of shape (rows, ...), all with the same rows.
        sizes: Number of rows in train, valid and test.
        seed: Seed of the permutation of rows.

    Returns:
        Three batches; each row is in exactly one of them. A split of size 0 is ().

    Raises:
        ValueError: If the sizes do not add up to the rows, or one is negative.
    """
    rows = batch[0].shape[0]
    if sum(sizes) != rows or min(sizes) < 0:
        raise ValueError(
            f"Expected sizes of train, valid and test that add up to {rows} rows; got {sizes}, "
            f"which add up to {sum(sizes)}. Give every row to one split."
        )
    order = torch.randperm(rows, generator=stream(seed, "split"))
    train, valid, test = (_take(batch, index) for index in order.split(sizes))
    return train, valid, test


def _take(batch: Batch, index: torch.Tensor) -> Batch:
    return tuple(tensor[index] for tensor in batch) if len(index) else ()
