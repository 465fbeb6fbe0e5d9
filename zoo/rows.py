"""Training data as a step takes it."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo.data import Observe
from zoo.order import Order


@dataclass(frozen=True)
class Rows:
    """The training arguments, the order of their rows, and what is done to a minibatch."""

    args: tuple
    observe: Observe
    order: Order | None

    def take(self, picked: Tensor | None, args: tuple | None = None) -> tuple:
        """The arguments of one step: those rows of `args` (by default its own), observed."""
        args = self.args if args is None else args
        if picked is None or self.order is None:
            return self.observe(args)
        size = self.order.rows
        return self.observe(tuple(_rows_of(arg, picked, size) for arg in args))


def _rows_of(arg: Any, rows: Tensor, size: int) -> Any:
    return arg[rows] if isinstance(arg, Tensor) and arg.dim() and len(arg) == size else arg
