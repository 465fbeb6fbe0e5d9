"""When to stop a fit: its iterates are stationary, and the bound no longer rises.

The parameters are stored after every few steps. The last half of these iterates is the window. Its
two halves are compared as two Markov chains would be,

    R-hat = sqrt( (n - 1)/n + between / within )        for each parameter.

With several seeds, the halves of all seeds are compared together, so that seeds which settle at
different places do not stop.

The means of the bound over the two halves are compared too. The bound has stopped rising if its
rise plus two standard errors is below 0.1 nats or 1 % of the bound, whichever is more. Where the
standard error is too large to tell, the window grows and the fit goes on.

When both hold, the parameters are set to their mean over the window: at a constant learning rate
the iterates move around an optimum, and their mean is closer to it than any single one.

Source: Dhaka et al. 2020, "Robust, accurate stochastic optimization for variational inference";
Welandawe et al. 2022, "Robust, automated, and accurate black-box variational inference";
Kucukelbir et al. 2017, "Automatic differentiation variational inference" (1 % of the bound).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

R_HAT = 1.1
RISE, RELATIVE_RISE = 0.1, 0.01  # nats, and of the bound: the rise that is still allowed


@dataclass(frozen=True)
class Convergence:
    """What the last check for convergence found.

    Attributes:
        r_hat: 99 % quantile of R-hat over the parameters; 1 means stationary.
        change: by how much the bound's mean rose from one half of the window to the other, nats.
        change_se: Monte Carlo standard error of `change`, from batch means.
        window: number of steps in the window.
        level: the bound's mean over the later half, nats; NaN where it is not known.
    """

    r_hat: float
    change: float
    change_se: float
    window: int
    level: float = math.nan

    @property
    def still(self) -> str:
        """Has the bound stopped rising? "yes", "no", or "cannot tell": the error is too large."""
        limit = RISE
        if not math.isnan(self.level):
            limit = max(limit, RELATIVE_RISE * abs(self.level))
        if self.change + 2 * self.change_se < limit:
            return "yes"
        rises = self.change > limit and self.change > 2 * self.change_se
        return "no" if rises else "cannot tell"

    @property
    def reached(self) -> bool:
        """Are the iterates stationary, and has the bound stopped rising?"""
        return self.r_hat < R_HAT and self.still == "yes"


def split_r_hat(draws: Tensor) -> Tensor:
    """R-hat of each parameter between both halves of all chains: (draws, chains, n) -> (n,)."""
    count = len(draws) // 2
    halves = draws[-2 * count :].double().unflatten(0, (2, count))
    within, between = halves.var(1).mean((0, 1)), halves.mean(1).flatten(0, 1).var(0)
    ratio = torch.where(between == 0, 0.0, between / within)
    return ((count - 1) / count + ratio).sqrt()


def change_of_mean(losses: Tensor, batches: int = 10) -> tuple[Tensor, Tensor]:
    """How much the mean loss fell from one half to the other, and the standard error of that.

    Args:
        losses: of the steps in the window, shape (steps,).
        batches: number of batch means in each half, from which the error comes.
    """
    size = len(losses) // (2 * batches)
    means = losses[-2 * batches * size :].double().reshape(2, batches, size).mean(-1)
    first, second = means
    error = ((first.var() + second.var()) / batches).sqrt()
    return first.mean() - second.mean(), error
