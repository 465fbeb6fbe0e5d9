"""The parameters at which estimators are compared: before, half way through and after a fit."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from zoo.data.batches import Batches, Shuffle
from zoo.device import to_device
from zoo.gradients.fixed_program import Parameters, parameters_of
from zoo.isolation import isolated
from zoo.objectives import Objective, Trace, as_objective
from zoo.pairing.mismatch import mismatch
from zoo.program import build
from zoo.results.result import Fit
from zoo.task import Task
from zoo.training.fit import fit
from zoo.training.run import describe_task
from zoo.training.settings import batch_rows

POINTS = ("initial", "middle", "trained")
USUAL_STEPS = 1000


@dataclass
class Trajectory:
    """A fit that is run only as far as its parameters are asked for.

    Attributes:
        task: model and data.
        guide: the family.
        objective: of the fit.
        asked: number of steps in all; None for the task's own.
        lr: learning rate; None for the task's own.
        seed: of the fit.
        device: "cpu" or "cuda".
    """

    task: Task
    guide: Callable
    objective: Objective
    asked: int | None
    lr: float | None
    seed: int
    device: str
    _fits: dict[int, Fit] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Number of steps of the whole fit."""
        return self.asked or (self.task.recipe.steps if self.task.recipe else USUAL_STEPS)

    def parameters(self, point: str) -> Parameters:
        """The parameters at one of :data:`POINTS`."""
        if point == "initial":
            return self._initial()
        middle = max(1, self.steps // 2)
        first = self._fits.get(middle) or self._go(middle, None)
        if point == "middle" or middle == self.steps:
            return parameters_of(first.program)
        return parameters_of((self._fits.get(self.steps) or self._go(self.steps, first)).program)

    def _initial(self) -> Parameters:
        with isolated(seed=self.seed):
            args = fixed_rows(self.task, None, self.seed)
            args = tuple(to_device(arg, self.device) for arg in args)
        with isolated(seed=self.seed):  # as `fit` starts
            program = build(self.task.build(), self.guide, Trace(), args, device=self.device)
            return parameters_of(program)

    def _go(self, steps: int, earlier: Fit | None) -> Fit:
        self._fits[steps] = fit(
            self.task,
            self.guide,
            objective=self.objective,
            steps=steps,
            lr=self.lr,
            seed=self.seed,
            device=self.device,
            compile=False,
            average=False,
            resume=earlier,
        )
        return self._fits[steps]


def training_objective(
    task: Task, guide: Callable, asked: str | Objective | None = None
) -> Objective:
    """The objective asked for; else the first of the task's own, rloo and trace that suits."""
    if asked is not None:
        return as_objective(asked)
    own = task.recipe.objective if task.recipe else "trace"
    latents = describe_task(task)
    names = (own, "rloo", "trace")
    found = (name for name in names if mismatch(latents, guide, as_objective(name)) is None)
    return as_objective(next(found, "trace"))


def fixed_rows(task: Task, count: int | None, seed: int) -> tuple:
    """A fixed choice of training rows; call it inside :func:`zoo.isolation.isolated`.

    Args:
        task: model and data.
        count: number of rows; None for the task's minibatch.
        seed: of the choice.

    Raises:
        ValueError: if there are fewer rows.
    """
    args = task.split("train")
    size = batch_rows("auto" if count is None else count, task)
    if size is None or size == task.data.rows:
        return Batches(args, task.data.observe, None).take(None)
    order = Shuffle(task.data.rows, size, seed)
    return Batches(args, task.data.observe, order).take(torch.as_tensor(order.block(0, 1)[0]))
