"""Minibatches: which rows of the full data one call of the model holds."""

from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor

ROWS = "data"


class Minibatch(Messenger):
    """Makes bounds over a minibatch unbiased for the full data of `size` rows.

    A model opens ``pyro.plate("data", len(x))`` around the rows it is given. This handler gives
    that plate its row numbers and its full size, so every site inside counts size / len(x) times.
    A plate that knows its full size already is left alone.

    Args:
        rows: row numbers, shape (batch,); None leaves the plate's own.
        size: full number of rows; None leaves the plate's own.
    """

    def __init__(self, rows: Tensor | None, size: int | None) -> None:
        super().__init__()
        self.rows, self.size = rows, size

    def _pyro_sample(self, msg: Message) -> None:
        if isinstance(msg["fn"], _Subsample):
            if msg["name"] == ROWS and self.rows is not None:
                msg["value"] = self.rows
        elif self.size is not None:
            self._rescale(msg, self.size)

    def _rescale(self, msg: Message, size: int) -> None:
        frames = list(msg["cond_indep_stack"])
        for i, frame in enumerate(frames):
            if frame.name == ROWS and frame.full_size == frame.size != size:
                frames[i] = frame._replace(full_size=size)
                msg["scale"] = msg["scale"] * size / frame.size
        msg["cond_indep_stack"] = tuple(frames)
