"""Moments of a stream of gradients: means of its blocks, and the variance within them.

The draws are cut into blocks and forgotten; only the blocks' means stay. The mean of a block is
close to normal however a draw is distributed, which is what the tests of bias rest on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.gradients.sampler import Sampler

BLOCKS = 64
ROUNDING = 64 * torch.finfo(torch.float64).eps  # a relative spread below is none


@dataclass(frozen=True)
class Moments:
    """Moments of independent gradients, float64.

    Attributes:
        means: mean of each block, shape (blocks, parameters).
        squares: sum of squared distances from the own block's mean, shape (parameters,).
        first: variance within the first block, shape (parameters,).
        spread: group of parameters -> its variance within each block, summed over the group's
            coordinates, shape (blocks,).
        largest: largest distance of a coordinate from its block's mean.
        draws: number of gradients in all; each block has as many.
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
    """Draws gradients block by block.

    Args:
        sampler: gives any number of gradients, (count, parameters).
        draws: how many; rounded up to whole blocks of at least two.
        groups: name -> numbers of its columns.
    """
    size = max(2, -(-draws // BLOCKS))
    means, within = list[Tensor](), list[Tensor]()  # of `within` the first and the sum of others
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
    """Mean, sum of squared distances from it, and the largest distance."""
    found = sampler(size)
    mean = found.mean(0, dtype=torch.float64)
    apart = found - mean
    apart = torch.where(apart.abs() > ROUNDING * mean.abs(), apart, 0.0)
    return mean, apart.square().sum(0), float(apart.abs().max())
