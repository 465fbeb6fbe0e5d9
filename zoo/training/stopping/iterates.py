"""The parameters along the way: noted every few steps, looked at, and averaged at the end."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zoo.results.convergence import Convergence, change_of_mean, split_r_hat
from zoo.training.trainer import Trainer

if TYPE_CHECKING:
    from zoo.training.compiled_trainer import CompiledTrainer

STRIDE = 10  # steps between two noted iterates, to begin with
FEWEST, MOST = 100, 200  # iterates kept; at MOST every second is dropped
LARGEST = 2**24  # numbers beyond which no more than FEWEST iterates are kept
SHARE = 0.99  # of the parameters whose R-hat is to be below its limit


class Iterates:
    """The parameters after every few steps of one fit, or of several seeds side by side.

    Args:
        trainers: one of each seed.
    """

    def __init__(self, trainers: "Sequence[Trainer | CompiledTrainer]") -> None:
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

    @property
    def enough(self) -> bool:
        """Are there enough iterates for a mean?"""
        return len(self.noted) >= FEWEST

    def note(self, losses: Tensor) -> bool:
        """Notes the parameters where it is due; is it time to stop?

        Args:
            losses: of all steps so far, nats, shape (steps,) or (seeds, steps).
        """
        if self.trainers[0].step % self.stride:
            return False
        vectors = torch.stack([trainer.vector() for trainer in self.trainers])
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

    def restart(self) -> None:
        """Forgets the iterates noted so far: those to come are at another learning rate.

        They are twice as far apart, so that their mean is over twice as many steps, and its error
        falls from stage to stage.
        """
        self.stride, self.noted = 2 * self.stride, []

    def average(self) -> Tensor:
        """Sets the parameters of each seed to their own mean over the window.

        Returns:
            The means, shape (seeds, numbers).
        """
        means = torch.stack(self._window()).mean(0)
        for trainer, mean in zip(self.trainers, means, strict=True):
            with torch.no_grad():
                nn.utils.vector_to_parameters(mean, trainer.parameters)
        return means

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
