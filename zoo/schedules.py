"""Schedules: numbers that move with the step, as tensors, so that a compiler can take them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Schedule = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Constant:
    """`value` at every step."""

    value: float

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        return torch.full_like(step, self.value)


@dataclass(frozen=True)
class Linear:
    """From `start` to `end` over `steps`, then `end`: KL warm-up is Linear(0, 1, steps)."""

    start: float
    end: float
    steps: int

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        return self.start + (self.end - self.start) * (step / self.steps).clamp(max=1)


@dataclass(frozen=True)
class Exponential:
    """max(floor, start * exp(-rate * step)): the temperature schedule of Jang et al. 2017."""

    start: float
    rate: float
    floor: float = 0.0

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        return (self.start * torch.exp(-self.rate * step)).clamp(min=self.floor)


@dataclass(frozen=True)
class Cosine:
    """From 1 to 0 over `steps` along half a cosine, for learning rates."""

    steps: int

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        return 0.5 * (1 + torch.cos(math.pi * (step / self.steps).clamp(max=1)))


@dataclass(frozen=True)
class Drops:
    """1, times `factor` after each of the steps `at`, for learning rates."""

    at: tuple[int, ...]
    factor: float

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        passed = torch.zeros_like(step)
        for boundary in self.at:
            passed = passed + (step >= boundary).to(step.dtype)
        return torch.pow(self.factor, passed)
