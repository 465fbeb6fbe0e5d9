"""Whose parameters move at which steps, where a model, its guide and an adversary take turns.

One optimizer moves all parameters at every step, unless the objective says otherwise. A part with
a turn moves at every k-th step only, at a rate of its own. In between its parameters and the
optimizer's averages stay as they are, and updates are counted for each part by itself.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

PARTS = ("model", "guide", "objective")


@dataclass(frozen=True)
class Turn:
    """When a part moves, and how fast.

    Attributes:
        every: at steps 0, every, 2 every, ...
        rate: its learning rate, as a multiple of the fit's.
    """

    every: int = 1
    rate: float = 1.0

    def __post_init__(self) -> None:
        if self.every < 1 or not self.rate > 0:
            raise ValueError(
                f"Expected a turn at least every step and a rate above 0; got every={self.every}, "
                f"rate={self.rate}. Pass e.g. Turn(every=5)."
            )

    def is_due(self, step: int) -> bool:
        """Does the part move at this step, counted from 0?"""
        return step % self.every == 0

    def updates(self, steps: int) -> int:
        """Updates that the part takes in so many steps."""
        return -(-steps // self.every)

    def due(self, step: Tensor) -> Tensor:
        """As :meth:`is_due`, of a tensor."""
        return torch.remainder(step, self.every) == 0

    def count(self, step: Tensor) -> Tensor:
        """The number of the part's update at this step, from 1."""
        return torch.floor(step / self.every) + 1


ALWAYS = Turn()
