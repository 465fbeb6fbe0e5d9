"""Data sets drawn from a model whose truth is known: what their files share."""

from collections.abc import Callable

import torch

from zoo.data.binarize import check_mode, keep
from zoo.data.data import Batch, Data, fingerprint
from zoo.data.stream import stream

Simulator = Callable[[int, torch.Generator], Batch]


def draw_rows(
    name: str,
    simulate: Simulator,
    sizes: tuple[int, int, int],
    labels: tuple[str, ...],
    seed: int,
    binarize: str,
) -> Data:
    """Draw independent rows and split them in the order in which they came.

    Args:
        name: Name of the data set.
        simulate: (rows, generator) -> tensors in float64, each of shape (rows, ...).
        sizes: Number of rows in train, valid and test.
        labels: Name of each tensor.
        seed: Seed of the draw: another seed is another data set.
        binarize: "none".

    Returns:
        The data set, in torch's default dtype.

    Raises:
        ValueError: If binarize is not "none".
    """
    check_mode(name, binarize, ("none",))
    batch = simulate(sum(sizes), stream(seed, name))
    parts = zip(*(tensor.split(list(sizes)) for tensor in batch), strict=True)
    train, valid, test = (_in_default_dtype(part) for part in parts)
    return _record(name, train, valid, test, labels, seed, rowwise=True)


def whole(name: str, batch: Batch, labels: tuple[str, ...], seed: int, binarize: str) -> Data:
    """Data that belong together: test is train, and there is no valid.

    Args:
        name: Name of the data set.
        batch: The tensors, in float64.
        labels: Name of each tensor.
        seed: Seed that the tensors were drawn with; recorded only.
        binarize: "none".

    Returns:
        The data set, in torch's default dtype.

    Raises:
        ValueError: If binarize is not "none".
    """
    check_mode(name, binarize, ("none",))
    given = _in_default_dtype(batch)
    return _record(name, given, (), given, labels, seed, rowwise=False)


def normals(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Standard normals in float64, so that a seed means the same data in either precision."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _in_default_dtype(batch: Batch) -> Batch:
    return tuple(tensor.to(torch.get_default_dtype()) for tensor in batch)


def _record(
    name: str,
    train: Batch,
    valid: Batch,
    test: Batch,
    labels: tuple[str, ...],
    seed: int,
    *,
    rowwise: bool,
) -> Data:
    return Data(
        name=name,
        train=train,
        valid=valid,
        test=test,
        rowwise=rowwise,
        image=None,
        observe=keep,
        labels=labels,
        binarize="none",
        seed=seed,
        hash=fingerprint(name, "none", (train, valid, test)),
    )
