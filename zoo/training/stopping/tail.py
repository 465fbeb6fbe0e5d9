"""The mean of the last iterates of a fit that takes a number of steps, kept where it is better.

At a constant learning rate the parameters go on moving about the optimum, by the noise of the
gradients. Their mean over the last tenth of the steps lies closer to it, at no cost in steps. At
the end both are tried on the same rows with the same noise, those of the validation split where
there is one, and the one of lower loss is kept.

Source: Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; Izmailov
et al. 2018, "Averaging weights leads to wider optima and better generalization".
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zoo.device import to_device
from zoo.handlers.parameters import named_tensors
from zoo.results.result import Fit
from zoo.training.stopping.held_out import loss_of_some, training_loss
from zoo.training.trainer import Trainer

if TYPE_CHECKING:
    from zoo.training.compiled_trainer import CompiledTrainer

SHARE = 10  # the window is the steps divided by this
NOTED = 50  # iterates in the mean
FEWEST_STEPS = 100  # from here on, autoencoders end at a mean


class Tail:
    """The mean of the iterates over the last tenth of the steps of one fit.

    Args:
        trainer: its trainer; of replicas, the plain one of the seed.
        steps: number of steps in all.
        valid_args: validation rows as arguments of the model; () for none.
    """

    def __init__(
        self, trainer: "Trainer | CompiledTrainer", steps: int, valid_args: tuple = ()
    ) -> None:
        self.trainer, self.steps, self.valid_args = trainer, steps, valid_args
        window = max(1, steps // SHARE)
        self.begin, self.stride = steps - window, max(1, window // NOTED)
        self.count, self.mean = 0, torch.zeros(0)

    def due(self, step: int) -> int:
        """Steps to take until the next iterate is noted."""
        left = self.steps - max(step, self.begin) - 1
        return self.steps - left // self.stride * self.stride - step

    def note(self) -> None:
        """Takes the parameters into the mean, if they are due."""
        step = self.trainer.step
        if step <= self.begin or (self.steps - step) % self.stride:
            return
        now = self.trainer.vector()
        if self.mean.shape != now.shape:  # the first; or a step has made a parameter
            self.count, self.mean = 0, torch.zeros_like(now)
        self.count += 1
        self.mean = self.mean + (now - self.mean) / self.count

    def state(self) -> tuple[int, int, Tensor]:
        """Number of steps that the window belongs to, number of iterates, and their mean."""
        return self.steps, self.count, self.mean

    def go_on(self, state: tuple[int, int, Tensor]) -> None:
        """Puts back what :meth:`state` gave; the window of another number of steps is dropped.

        A fit that goes on from within its new window has a mean of the steps left alone.
        """
        if state[0] == self.steps:
            self.count, self.mean = state[1], state[2].to(self.trainer.device)

    def keep_better(self, fit: Fit) -> None:
        """After the last step, makes the mean the fit's best if its loss is below the last's.

        Args:
            fit: the fit, whose parameters are those after the last step, and stay so.
        """
        if self.count == 0:
            return
        last = self.trainer.vector()
        try:
            at_last = self._loss(fit)
            self._set(self.mean)
            at_mean = self._loss(fit)
            better = at_mean < at_last  # False too where either is not a number
            if better:
                fit.best = named_tensors(fit.program)
        except (RuntimeError, ValueError) as error:  # the steps were taken, and are not lost
            first = str(error).strip().splitlines()[0]
            fit.notes.append(f"end: the last iterate is kept; its loss could not be had: {first}")
            return
        finally:
            self._set(last)
        kept, rows = "mean" if better else "last", "validation" if self.valid_args else "training"
        fit.notes.append(
            f"end: the {kept} of {self.count} iterates over the last {self.count * self.stride} "
            f"steps is kept; on {rows} rows the mean has a loss of {at_mean:.8g} nats, the last "
            f"{at_last:.8g}"
        )

    def _loss(self, fit: Fit) -> float:
        fit.other_evaluations += fit.settings.objective.evaluations(fit.latents)
        ranks = self.trainer.ranks
        if self.valid_args:
            return ranks.decided(lambda: loss_of_some(fit, self.valid_args))
        return ranks.decided(lambda: training_loss(fit, self.trainer.rows))

    def _set(self, vector: Tensor) -> None:
        with torch.no_grad():
            nn.utils.vector_to_parameters(vector, self.trainer.parameters)


def tail_of(fit: Fit, trainer: "Trainer | CompiledTrainer") -> Tail | None:
    """The tail of a fit that is to end at a mean; None for one that is not.

    Args:
        fit: the fit, at its first step or where an earlier one ended.
        trainer: its trainer; of replicas, the plain one of the seed.
    """
    settings = fit.settings
    objective = settings.objective
    no_loss = bool(objective.turns) or objective.needs.energy  # by which to choose
    if settings.until != "steps" or settings.patience is not None or no_loss:
        return None
    fit.best = None  # not the mean at which an earlier fit of fewer steps ended
    fit.notes = [note for note in fit.notes if not note.startswith("end: ")]
    asked = settings.average
    if asked == "auto":
        latents = fit.latents
        by_row = any(site.local for site in latents.sites) or (
            latents.rowwise and not latents.sites
        )
        asked = by_row and fit.amortised and settings.steps >= FEWEST_STEPS
    if not asked:
        return None
    held_out = fit.task.data.valid if fit.amortised else ()
    tail = Tail(trainer, settings.steps, tuple(to_device(x, str(fit.device)) for x in held_out))
    if "tail" in fit.last:
        tail.go_on(fit.last["tail"])
    return tail
