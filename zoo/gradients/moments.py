"""Moments of many gradients: the mean of each block of draws, and the variance within blocks.

Gradients are drawn block by block, and only their moments are kept. The mean of a block is nearly
normal, whatever the distribution of a gradient; the tests of bias use that.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.gradients.sampler import Sampler

BLOCKS = 64
ROUNDING = 64 * torch.finfo(torch.float64).eps  # a smaller relative deviation counts as 0


@dataclass(frozen=True)
class Moments:
    """Moments of independent gradients, float64.

    Attributes:
        means: mean of each block, shape (blocks, parameters).
        squares: sum of squared deviations from the mean of the same block, shape (parameters,).
        first: variance within the first block, shape (parameters,).
        spread: group of parameters -> its variance within each block, summed over the group's
            coordinates, shape (blocks,).
        largest: largest deviation of any coordinate from the mean of its block.
        draws: number of gradients in all; all blocks have equally many.
    """

    means: Tensor
    squares: Tensor
    first: Tensor
    spread: dict[str, Tensor]
    largest: float
    draws: int

    @property
    def mean(self) -> Tensor:
        """Mean gradient, shape (parameters,)."""
        return self.means.mean(0)

    @property
    def variance(self) -> Tensor:
        """Variance of each coordinate of one gradient, shape (parameters,)."""
        return self.squares / (self.draws - len(self.means))


def moments(sampler: Sampler, draws: int, groups: dict[str, Tensor]) -> Moments:
    """The moments of gradients, which are drawn block by block.

    Args:
        sampler: draws any number of gradients, (count, parameters).
        draws: number of draws; it is rounded up to 64 equal blocks of at least two.
        groups: name -> indices of its columns.
    """
    size = max(2, -(-draws // BLOCKS))
    means, within = list[Tensor](), list[Tensor]()  # `within`: the first block, the sum of others
    spread: dict[str, list[Tensor]] = {name: [] for name in groups}
    largest = 0.0
    for number in range(BLOCKS):
        mean, squares, apart = _block(sampler, size)
        means.append(mean)
        largest = max(largest, apart)
        for name, columns in groups.items():
            spread[name].append(squares[columns].sum() / (size - 1))
        if number < 2:
            within.append(squares)
        else:
            within[1] += squares
    return Moments(
        means=torch.stack(means),
        squares=within[0] + within[1],
        first=within[0] / (size - 1),
        spread={name: torch.stack(parts) for name, parts in spread.items()},
        largest=largest,
        draws=size * BLOCKS,
    )


def _block(sampler: Sampler, size: int) -> tuple[Tensor, Tensor, float]:
    """Mean of one block, sum of squared deviations from it, and the largest deviation."""
    found = sampler(size)
    mean = found.mean(0, dtype=torch.float64)
    apart = found - mean
    apart = torch.where(apart.abs() > ROUNDING * mean.abs(), apart, 0.0)
    return mean, apart.square().sum(0), float(apart.abs().max())
