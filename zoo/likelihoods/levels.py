"""Distributions of integers 0..L-1, put on grey levels evenly spaced over [0, 1]."""

from typing import Any

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

NO_SHAPE = torch.Size()


def index_of(x: Tensor, levels: int) -> Tensor:
    """Which level a grey value in [0, 1] is: 0..L-1, as floats."""
    return (x * (levels - 1)).round()


class Levels(TorchDistribution):
    """The distribution of x = k / (L - 1), with k from a distribution of integers.

    Args:
        base: distribution of k; of no event dimension.
        levels: L.
    """

    arg_constraints = {}  # type: ignore[var-annotated]  # noqa: RUF012
    has_rsample = False

    def __init__(self, base: Any, levels: int) -> None:
        self.base, self.levels = base, levels
        super().__init__(base.batch_shape, torch.Size(), validate_args=False)

    @property
    def support(self) -> Constraint:
        """Grey values from 0 to 1; only those of L levels have a probability."""
        return constraints.unit_interval

    def expand(self, batch_shape: Any, _instance: object = None) -> "Levels":
        """The same with another batch shape."""
        return Levels(self.base.expand(torch.Size(batch_shape)), self.levels)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability of grey values, nats."""
        return self.base.log_prob(index_of(value, self.levels))

    def sample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws grey values in [0, 1]."""
        return self.base.sample(sample_shape) / (self.levels - 1)
