"""Distributions over vectors, made of the two functions that define them."""

from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

NO_SHAPE = torch.Size()
UNIT_CUBE = constraints.independent(constraints.unit_interval, 1)


class Density(TorchDistribution):
    """A distribution over R^M, or a part of it, whose draws are independent over its batch.

    Args:
        score: log density, (..., M) -> (...), nats.
        draw: shape -> draws of that shape, (*shape, M).
        size: M.
        batch_shape: of the distribution.
        support: of one vector.
    """

    arg_constraints = {}  # type: ignore[var-annotated]  # noqa: RUF012
    has_rsample = False

    def __init__(
        self,
        score: Callable[[Tensor], Tensor],
        draw: Callable[[torch.Size], Tensor],
        size: int,
        batch_shape: torch.Size = NO_SHAPE,
        support: Constraint = constraints.real_vector,
    ) -> None:
        self.score, self.draw, self.size, self.inside = score, draw, size, support
        super().__init__(batch_shape, torch.Size((size,)), validate_args=False)

    @property
    def support(self) -> Constraint:
        """Of one vector."""
        return self.inside

    def expand(self, batch_shape: Any, _instance: object = None) -> "Density":
        """The same with another batch shape."""
        batch = torch.Size(batch_shape)
        return Density(self.score, self.draw, self.size, batch, self.inside)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density at `value`, nats, shape (..., *batch)."""
        found = self.score(value)
        return found.expand(torch.broadcast_shapes(found.shape, self.batch_shape))

    def sample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Draws, shape (*sample_shape, *batch, M)."""
        with torch.no_grad():
            return self.draw(torch.Size((*sample_shape, *self.batch_shape)))


def unit_cube(size: int, like: Tensor) -> Density:
    """The uniform distribution on [0, 1]^size, with the dtype and device of `like`."""

    def score(u: Tensor) -> Tensor:
        return u.new_zeros(u.shape[:-1])

    def draw(shape: torch.Size) -> Tensor:
        return torch.rand(*shape, size, dtype=like.dtype, device=like.device)

    return Density(score, draw, size, support=UNIT_CUBE)
