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
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.compiled_trainer import CompiledTrainer
from zoo.trainer import Trainer

STRIDE = 10  # steps between two noted iterates, to begin with
FEWEST, MOST = 100, 200  # iterates kept; at MOST every second is dropped
LARGEST = 2**24  # numbers beyond which no more than FEWEST iterates are kept
R_HAT = 1.1
SHARE = 0.99  # of the parameters whose R-hat is to be below that
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


class Iterates:
    """The parameters after every few steps of one fit, or of several seeds side by side.

    Args:
        trainers: one of each seed.
    """

    def __init__(self, trainers: Sequence[Trainer | CompiledTrainer]) -> None:
        self.trainers = trainers
        size = sum(parameter.numel() for parameter in trainers[0].parameters) * len(trainers)
        self.most = max(FEWEST, min(MOST, LARGEST // size))
        self.stride, self.noted = STRIDE, list[Tensor]()
        self.found: Convergence | None = None

    def state(self) -> tuple[int, list[Tensor]]:
        """Distance between two noted iterates, and those noted so far."""
        return self.stride, list(self.noted)

    def go_on(self, state: tuple[int, list[Tensor]]) -> None:
        """Puts back what :meth:`state` gave."""
        device = self.trainers[0].device
        self.stride, self.noted = state[0], [value.to(device) for value in state[1]]

    def due(self, step: int) -> int:
        """Steps to take until the next iterate is noted."""
        return self.stride - step % self.stride

    def note(self, losses: Tensor) -> bool:
        """Notes the parameters where it is due; is it time to stop?

        Args:
            losses: of all steps so far, nats, shape (steps,) or (seeds, steps).
        """
        if self.trainers[0].step % self.stride:
            return False
        vectors = torch.stack([_vector(trainer) for trainer in self.trainers])
        if self.noted and self.noted[-1].shape != vectors.shape:
            self.noted.clear()  # a step has made a parameter that was not there before
        self.noted.append(vectors)
        if len(self.noted) < FEWEST or len(self.noted) % 10:
            return False
        self.found = self._look(losses)
        if not self.found.reached and len(self.noted) >= self.most:
            self.noted = self.noted[1::2]
            self.stride *= 2
        return self.found.reached

    def average(self) -> None:
        """Sets the parameters of each seed to their own mean over the window."""
        means = torch.stack(self._window()).mean(0)
        for trainer, mean in zip(self.trainers, means, strict=True):
            parts = mean.split([p.numel() for p in trainer.parameters])
            with torch.no_grad():
                for parameter, part in zip(trainer.parameters, parts, strict=True):
                    parameter.copy_(part.reshape(parameter.shape))

    def _window(self) -> list[Tensor]:
        return self.noted[len(self.noted) // 2 :]

    def _look(self, losses: Tensor) -> Convergence:
        window = self._window()
        steps = len(window) * self.stride
        late = losses.reshape(-1, losses.shape[-1]).mean(0)[-steps:]
        change, error = change_of_mean(late)
        level = -float(late[steps // 2 :].double().mean())
        r_hats = split_r_hat(torch.stack(window))
        r_hat = r_hats.kthvalue(math.ceil(SHARE * len(r_hats))).values  # quantile has a limit
        return Convergence(float(r_hat), float(change), float(error), steps, level)


def _vector(trainer: Trainer | CompiledTrainer) -> Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in trainer.parameters])


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
