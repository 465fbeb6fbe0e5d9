"""What `describe` must say of a model, and small models of rows."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.isolation import isolated

ROWS = 7


@dataclass(frozen=True)
class Site:
    """What `describe` must say of one latent."""

    kind: str
    scope: str
    event: tuple[int, ...]
    batch: tuple[int, ...]
    plates: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class ModelCase:
    """A small model of the table, its arguments, and what `describe` must say of it."""

    build: Callable[[], nn.Module]
    data: Callable[[int], tuple[Tensor, ...]]
    sites: dict[str, Site]
    observed: tuple[str, ...]
    row_plate: str | None
    context: int
    hidden: tuple[int, ...]
    nesting: int = 1

    def make(self, device: str = "cpu", rows: int = ROWS) -> tuple[nn.Module, tuple[Tensor, ...]]:
        """Model and arguments, the same at every call."""
        with isolated(seed=1):
            model = self.build()
            args = self.data(rows)
        return model.to(device), tuple(arg.to(device) for arg in args)


def pixels(rows: int) -> tuple[Tensor]:
    return (torch.bernoulli(torch.full((rows, 6), 0.4)),)


def reals(rows: int) -> tuple[Tensor]:
    return (torch.randn(rows, 5),)


def local_point(kind: str, size: int) -> Site:
    """A point of a curved space for each row, with so many coordinates."""
    return Site(kind, "local", (size,), (ROWS,), ("data",), 0)


def local_normal(size: int) -> Site:
    return Site("continuous", "local", (size,), (ROWS,), ("data",), ROWS * size)
