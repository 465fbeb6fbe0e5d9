"""Schedules: numbers that move with the step, as tensors, so that a compiler can take them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.checks.arguments import (
    LARGEST,
    function,
    keep_number,
    keep_whole,
    keep_wholes,
    number,
    refusal,
)

Schedule = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Constant:
    """`value` at every step."""

    value: float

    def __post_init__(self) -> None:
        keep_number(self, "value")

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        return torch.full_like(step, self.value)


@dataclass(frozen=True)
class Linear:
    """From `start` to `end` over `steps`, then `end`: KL warm-up is Linear(0, 1, steps)."""

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        keep_number(self, "start", "end")
        keep_whole(self, "steps", most=LARGEST)

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        return self.start + (self.end - self.start) * (step / self.steps).clamp(max=1)


@dataclass(frozen=True)
class Exponential:
    """max(floor, start * exp(-rate * step)): the temperature schedule of Jang et al. 2017."""

    start: float
    rate: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        keep_number(self, "start", "floor")
        keep_number(self, "rate", least=0.0)

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        return (self.start * torch.exp(-self.rate * step)).clamp(min=self.floor)


@dataclass(frozen=True)
class Cosine:
    """From 1 to 0 over `steps` along half a cosine, for learning rates."""

    steps: int

    def __post_init__(self) -> None:
        keep_whole(self, "steps", most=LARGEST)

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        return 0.5 * (1 + torch.cos(math.pi * (step / self.steps).clamp(max=1)))


@dataclass(frozen=True)
class Drops:
    """1, times `factor` after each of the steps `at`, for learning rates."""

    at: tuple[int, ...]
    factor: float

    def __post_init__(self) -> None:
        if not isinstance(self.at, tuple) or self.at:
            keep_wholes(self, "at", least=0, way="Pass steps, e.g. at=(1000, 2000).")
        keep_number(self, "factor", least=0.0)

    def __call__(self, step: Tensor) -> Tensor:
        """Value at `step`, shape ()."""
        passed = torch.zeros_like(step)
        for boundary in self.at:
            passed = passed + (step >= boundary).to(step.dtype)
        return torch.pow(self.factor, passed)


def check_schedule(name: str, value: object, steps: int) -> Schedule | None:
    """A schedule, tried at the first and the last step; None for none.

    Raises:
        ValueError: for anything but a function that gives one number of at least 0 for each step.
    """
    if value is None:
        return None
    way = f"Pass a schedule, e.g. {name}=zoo.optim.schedules.Linear(0.0, 1.0, {steps})."
    found = function(name, value, way)
    for step in dict.fromkeys((0, steps)):
        try:
            result = found(torch.tensor(float(step)))
        except (TypeError, NotImplementedError) as error:
            wanted = f"Expected {name} at step {step} to be a tensor of shape ()"
            raise ValueError(f"{wanted}; got a {type(error).__name__}. {way}") from error
        if not isinstance(result, Tensor) or result.shape != ():
            raise refusal(f"{name} at step {step}", "a tensor of shape ()", result, way)
        number(f"{name} at step {step}", float(result), least=0.0, way=way)
    return found
