"""Minibatches: which rows each step takes, and what is done to them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.data import Observe


@dataclass(frozen=True)
class Shuffle:
    """Minibatches of `batch` rows out of `rows`, without replacement within an epoch.

    An epoch has rows // batch steps; the rows left over come up in other epochs. Nothing is
    stored: step 12,345 of a seed takes the same rows in every run, resumed or not.
    """

    rows: int
    batch: int
    seed: int

    @property
    def epoch_steps(self) -> int:
        """Steps in one epoch."""
        return self.rows // self.batch

    def block(self, start: int, count: int) -> Tensor:
        """Rows of `count` steps from `start` on, shape (count, batch), int64 on the CPU."""
        first, left_out = divmod(start, self.epoch_steps)
        last = (start + max(count, 1) - 1) // self.epoch_steps
        whole = torch.cat([self._permutation(epoch) for epoch in range(first, last + 1)])
        return whole[left_out : left_out + count]

    def _permutation(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        shuffled = torch.randperm(self.rows, generator=generator)
        return shuffled[: self.epoch_steps * self.batch].reshape(self.epoch_steps, self.batch)


@dataclass(frozen=True)
class Batches:
    """The training arguments, the order of their rows, and what is done to a minibatch."""

    args: tuple
    observe: Observe
    order: Shuffle | None

    def take(self, picked: Tensor | None, args: tuple | None = None) -> tuple:
        """The arguments of one step: those rows of `args` (by default its own), observed."""
        args = self.args if args is None else args
        if picked is None or self.order is None:
            return self.observe(args)
        size = self.order.rows
        return self.observe(tuple(_rows_of(arg, picked, size) for arg in args))


def _rows_of(arg: Any, rows: Tensor, size: int) -> Any:
    return arg[rows] if isinstance(arg, Tensor) and arg.dim() and len(arg) == size else arg
