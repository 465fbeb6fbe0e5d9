"""Loaders of data sets that are drawn from a model whose truth is known, or written down whole."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from zoo.data.binarize import check_mode
from zoo.data.data import Batch, Data, make_data
from zoo.data.stream import stream


@dataclass(frozen=True)
class SimulatedRows:
    """Loads independent rows drawn from a model: called with a seed, it gives a data set.

    Attributes:
        name: Name of the data set.
        simulate: (rows, generator) -> tensors in float64, each of shape (rows, ...).
        sizes: Number of rows in train, valid and test.
        labels: Name of each tensor.
        levels: How many values an element takes, evenly spaced over [0, 1]; 0 for other numbers.
    """

    name: str
    simulate: Callable[[int, torch.Generator], Batch]
    sizes: tuple[int, int, int]
    labels: tuple[str, ...]
    levels: int = 0

    def __call__(self, seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
        """Draw the rows and split them in the order in which they came.

        Args:
            seed: Seed of the draw: another seed is another data set.
            binarize: "none".
            download: Nothing to download: the rows are drawn here.

        Returns:
            The data set, in torch's default dtype.

        Raises:
            ValueError: If binarize is not "none".
        """
        check_mode(self.name, binarize, ("none",))
        batch = self.simulate(sum(self.sizes), stream(seed, self.name))
        parts = zip(*(tensor.split(list(self.sizes)) for tensor in batch), strict=True)
        train, valid, test = (_in_default_dtype(part) for part in parts)
        splits = (train, valid, test)
        return make_data(self.name, splits, self.labels, seed, levels=self.levels)


@dataclass(frozen=True)
class UnsplitData:
    """Loads tensors that belong together: test is train, and there is no valid.

    Attributes:
        name: Name of the data set.
        make: generator -> the tensors, in float64; those that are not random leave it alone.
        labels: Name of each tensor.
    """

    name: str
    make: Callable[[torch.Generator], Batch]
    labels: tuple[str, ...]

    def __call__(self, seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
        """Make the tensors.

        Args:
            seed: Seed of the draw; recorded only where nothing is drawn.
            binarize: "none".
            download: Nothing to download: the tensors are made here.

        Returns:
            The data set, in torch's default dtype.

        Raises:
            ValueError: If binarize is not "none".
        """
        check_mode(self.name, binarize, ("none",))
        batch = _in_default_dtype(self.make(stream(seed, self.name)))
        return make_data(self.name, (batch, (), batch), self.labels, seed, rowwise=False)


def constants(
    *values: tuple[float, ...] | tuple[tuple[float, ...], ...],
) -> Callable[[torch.Generator], Batch]:
    """What makes the same tensors for every seed, one of each tuple of numbers."""
    return lambda generator: tuple(torch.tensor(v, dtype=torch.float64) for v in values)


def normals(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Standard normals in float64, so that a seed means the same data in either precision."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _in_default_dtype(batch: Batch) -> Batch:
    return tuple(tensor.to(torch.get_default_dtype()) for tensor in batch)
