"""When to stop: the iterates have become stationary and the bound no longer moves.

After every few steps the parameters are noted. Over the last half of them the two halves are
compared as two chains would be,

    R-hat = sqrt( (n - 1)/n + between / within )        for each parameter,

with several seeds side by side all their halves, so that seeds which settle apart never stop;

and the bound's means over the two halves are compared. It is still where it rose by less than 1 %
of itself, or 0.1 nats, even with two of its standard errors added; where the error is too large to
say so, the window grows and the fit goes on. Once both say that nothing moves, the parameters are
set to their mean over that half: at a constant learning rate the iterates circle around an optimum
that their mean is closer to.

Source: Dhaka et al. 2020, "Robust, accurate stochastic optimization for variational inference";
Welandawe et al. 2022, "Robust, automated, and accurate black-box variational inference";
Kucukelbir et al. 2017, "Automatic differentiation variational inference" (1 % of the bound).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

R_HAT = 1.1
RISE, RELATIVE_RISE = 0.1, 0.01  # nats, and of the bound: less is still


@dataclass(frozen=True)
class Convergence:
    """What the last look at the iterates found.

    Attributes:
        r_hat: 99 % quantile over the parameters; 1 is stationary.
        change: by how much the bound's mean rose from one half of the window to the other, nats.
        change_se: its Monte Carlo standard error, from batch means.
        window: steps looked at.
        level: the bound's mean over the later half, nats; NaN where it was not noted.
    """

    r_hat: float
    change: float
    change_se: float
    window: int
    level: float = math.nan

    @property
    def still(self) -> str:
        """Has the bound stopped rising? "yes", "no", or "cannot tell" for too large an error."""
        limit = max(RISE, RELATIVE_RISE * abs(self.level)) if self.level == self.level else RISE
        if self.change + 2 * self.change_se < limit:
            return "yes"
        rises = self.change > limit and self.change > 2 * self.change_se
        return "no" if rises else "cannot tell"

    @property
    def reached(self) -> bool:
        """Are the iterates stationary, and is the bound seen to be still?"""
        return self.r_hat < R_HAT and self.still == "yes"


def split_r_hat(draws: Tensor) -> Tensor:
    """R-hat of each column between both halves of all chains: (draws, chains, n) -> (n,)."""
    count = len(draws) // 2
    halves = draws[-2 * count :].double().unflatten(0, (2, count))
    within, between = halves.var(1).mean((0, 1)), halves.mean(1).flatten(0, 1).var(0)
    ratio = torch.where(between == 0, 0.0, between / within)
    return ((count - 1) / count + ratio).sqrt()


def change_of_mean(losses: Tensor, batches: int = 10) -> tuple[Tensor, Tensor]:
    """How much the loss fell from one half to the other, and the error by batch means."""
    size = len(losses) // (2 * batches)
    means = losses[-2 * batches * size :].double().reshape(2, batches, size).mean(-1)
    first, second = means
    error = ((first.var() + second.var()) / batches).sqrt()
    return first.mean() - second.mean(), error
