"""What all distributions over permutations share: their support, and sums over all of it."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import register_kl
from torch.distributions.constraints import Constraint

from zoo.permutations.support import MOST_ITEMS, as_matrix, every_permutation, permutation

NO_SHAPE = torch.Size()


class OverPermutations(TorchDistribution, ABC):
    """A distribution over the permutations of some items.

    Args:
        items: number of items n.
        batch_shape: of the distribution.
    """

    arg_constraints = {}  # type: ignore[var-annotated]  # noqa: RUF012
    has_enumerate_support = True
    support: Constraint = permutation

    def __init__(self, items: int, batch_shape: torch.Size) -> None:
        super().__init__(batch_shape, torch.Size((items,)))

    @property
    def items(self) -> int:
        """Number of items n."""
        return self.event_shape[0]

    @abstractmethod
    def score(self, value: Tensor) -> Tensor:
        """Log-probabilities of permutations, nats: (..., n) -> (...)."""

    @abstractmethod
    def draw(self, shape: torch.Size) -> Tensor:
        """Permutations, (*shape, n), for a shape that ends in that of the batch."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Of the parameters."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of permutations, nats, shape (..., *batch)."""
        if self._validate_args:
            self._validate_sample(value)
        found = self.score(value)
        return found.expand(torch.broadcast_shapes(found.shape, self.batch_shape))

    def sample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        """Permutations, int64, shape (*sample_shape, *batch, n)."""
        with torch.no_grad():
            return self.draw(torch.Size((*sample_shape, *self.batch_shape)))

    def enumerate_support(self, expand: bool = True) -> Tensor:  # noqa: FBT001, FBT002
        """All permutations in order, shape (n!, *batch, n); ones for the batch if not expanded.

        Raises:
            ValueError: for more than 6 items.
        """
        every = every_permutation(self.items, self.device)
        ones = every.reshape(len(every), *(1 for _ in self.batch_shape), self.items)
        return ones.expand(-1, *self.batch_shape, -1) if expand else ones

    def table(self) -> Tensor:
        """Log-probability of every permutation, nats, shape (n!, *batch).

        Raises:
            ValueError: for more than 6 items.
        """
        return self.log_prob(self.enumerate_support(expand=False))

    def marginals(self) -> Tensor:
        """Probability that item i is in place j, shape (*batch, n, n): doubly stochastic.

        Raises:
            ValueError: for more than 6 items.
        """
        chances = self.table().exp()
        every = as_matrix(every_permutation(self.items, self.device), chances.dtype)
        return torch.einsum("s...,sij->...ij", chances, every)


@register_kl(OverPermutations, OverPermutations)
def _kl(q: OverPermutations, p: OverPermutations) -> Tensor:
    """KL(q || p) by the sum over all permutations, nats, shape of the batch."""
    if q.items > MOST_ITEMS:
        raise NotImplementedError(f"KL over the permutations of {q.items} items")
    log_q, log_p = q.table(), p.table()
    return (log_q.exp() * (log_q - log_p)).sum(0)
