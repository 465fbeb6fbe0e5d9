"""The uniform distribution over permutations, each with probability 1/n!."""

import math
from typing import Any

import torch
from torch import Tensor

from zoo.permutations.distribution import NO_SHAPE, OverPermutations


class UniformPermutation(OverPermutations):
    """Every order is as likely as any other.

    Args:
        items: number of items n.
        like: whose dtype and device log-probabilities have.
        batch_shape: of the distribution.
    """

    def __init__(self, items: int, like: Tensor, batch_shape: torch.Size = NO_SHAPE) -> None:
        self.like = like
        super().__init__(items, torch.Size(batch_shape))

    @property
    def device(self) -> torch.device:
        """Of draws."""
        return self.like.device

    def expand(self, batch_shape: Any, _instance: object = None) -> "UniformPermutation":
        """The same with another batch shape."""
        return UniformPermutation(self.items, self.like, torch.Size(batch_shape))

    def score(self, value: Tensor) -> Tensor:
        """Minus log n!, shape (...)."""
        return self.like.new_full(value.shape[:-1], -math.lgamma(self.items + 1))

    def draw(self, shape: torch.Size) -> Tensor:
        """The order of independent uniforms."""
        kind = {"dtype": self.like.dtype, "device": self.like.device}
        return torch.rand((*shape, self.items), **kind).argsort(-1)  # type: ignore[call-overload]
