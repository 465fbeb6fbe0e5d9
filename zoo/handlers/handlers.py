"""The effect handlers under which a program's pair runs."""

from contextlib import AbstractContextManager
from typing import Any

from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor

from zoo.handlers.minibatch import Minibatch


class Handlers:
    """Parameters, minibatch and KL weight, entered together; validation off, parameters local."""

    def __init__(
        self,
        store: Messenger,
        rows: Minibatch,
        weight: Tensor | None,
        *more: AbstractContextManager[object],
    ) -> None:
        annealed = [] if weight is None else [Anneal(weight)]
        self.parts: list[AbstractContextManager[object]] = [store, rows, *annealed, *more]

    def __enter__(self) -> None:
        for part in self.parts:
            part.__enter__()

    def __exit__(self, *error: Any) -> None:
        for part in reversed(self.parts):
            part.__exit__(*error)


class Anneal(Messenger):
    """Multiplies log p(z) - log q(z), the negative KL term, by a weight (KL warm-up)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def _pyro_sample(self, msg: Message) -> None:
        if not msg["is_observed"] and not isinstance(msg["fn"], _Subsample):
            msg["scale"] = msg["scale"] * self.weight
