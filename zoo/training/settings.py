"""Checks the arguments of a fit and turns them into settings, for `fit` and `compare`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyro.infer import ELBO

from zoo.checks.arguments import (
    flag,
    look_up,
    number,
    one_of,
    seed_given,
    several,
    shown,
    whole,
)
from zoo.objectives import LossOfPair, Objective, as_objective
from zoo.optim.optimizers import OPTIMIZERS
from zoo.optim.schedules import Schedule, check_schedule
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.task import Task

LONGEST_UNTIL_CONVERGED = 20  # times the usual steps


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a caller asks of a fit; the arguments of :func:`zoo.fit` of the same names.

    Nothing is checked yet, and None or "auto" stands for what is usual for the task.
    :meth:`settings` checks every value and settles it.
    """

    objective: str | Objective | ELBO | LossOfPair = "trace"
    steps: int | None = None
    optimizer: str = "adam"
    lr: float | Sequence[float] | None = None
    lr_schedule: Schedule | None = None
    weight_decay: float = 0.0
    clip_norm: float | None = None
    batch_size: int | str | None = "auto"
    seed: int = 0
    kl_weight: Schedule | None = None
    freeze_model: bool = False
    patience: int | None = None
    valid_every: int = 500
    compile: bool | str = "auto"
    until: str = "steps"

    def settings(self, task: Task, replicas: int | None = None) -> list[Settings]:
        """The settings of the fit on a task, or those of each of its replicas.

        Raises:
            ValueError: with the name of the argument, what it was, what is expected and a way out.
        """
        count = 1 if replicas is None else whole("replicas", replicas)
        check_until(self.until, self.patience)
        steps = self._steps(task)
        rates = rates_of(self.lr, task.recipe.lr if task.recipe else 1e-2, replicas)
        update = self._update(steps)
        first = Settings(
            objective=as_objective(self.objective),
            steps=steps,
            update=update,
            batch_size=batch_rows(self.batch_size, task),
            seed=seed_given(self.seed, count=count),
            kl_weight=check_schedule("kl_weight", self.kl_weight, steps),
            freeze_model=flag("freeze_model", self.freeze_model),
            patience=None if self.patience is None else whole("patience", self.patience),
            valid_every=whole("valid_every", self.valid_every, way="Pass e.g. valid_every=500."),
            compile=compile_mode(self.compile),
            until=self.until,
        )
        return [
            replace(first, seed=first.seed + r, update=replace(update, lr=rate))
            for r, rate in enumerate(rates)
        ]

    def _steps(self, task: Task) -> int:
        if self.steps is not None:
            return whole("steps", self.steps, way="Pass e.g. steps=1000.")
        usual = task.recipe.steps if task.recipe else 1000
        return usual * (LONGEST_UNTIL_CONVERGED if self.until == "converged" else 1)

    def _update(self, steps: int) -> Update:
        """The optimizer's settings; each replica puts its own learning rate in."""
        look_up("optimizer", self.optimizer, OPTIMIZERS)
        decay, norm = self.weight_decay, self.clip_norm
        if norm is not None:
            norm = number("clip_norm", norm, above=0.0, way="Pass clip_norm=None to clip nothing.")
        return Update(
            self.optimizer,
            lr_schedule=check_schedule("lr_schedule", self.lr_schedule, steps),
            weight_decay=number(
                "weight_decay", decay, least=0.0, way="Pass weight_decay=0.0 for none."
            ),
            clip_norm=norm,
        )


def check_until(until: object, patience: int | None) -> str:
    """When training ends: "steps" or "converged".

    Raises:
        ValueError: for anything else, or if patience would end it too.
    """
    found = one_of("until", until, ("steps", "converged"))
    if found == "converged" and patience is not None:
        raise ValueError(
            "until='converged' watches the fit and stops it by itself; got "
            f"patience={shown(patience)}. Leave it out."
        )
    return found


def compile_mode(value: object) -> bool | str:
    """True, False or "auto".

    Raises:
        ValueError: for anything else.
    """
    choices: tuple[bool | str, ...] = (True, False, "auto")
    return one_of("compile", value, choices)


def rates_of(asked: object, usual: float, replicas: int | None) -> list[float]:
    """One learning rate for each replica.

    Raises:
        ValueError: for rates that are not above 0, or a list of another length.
    """
    count = 1 if replicas is None else replicas
    if asked is None:
        return [usual] * count
    if not isinstance(asked, Sequence) or isinstance(asked, str):
        return [number("lr", asked, above=0.0, way="Pass e.g. lr=0.01.")] * count
    rates = several("lr", asked, "Pass e.g. lr=0.01.")
    if replicas != len(rates):
        raise ValueError(
            f"Expected one learning rate for each replica; got {len(rates)} for replicas="
            f"{replicas}. Pass replicas={len(rates)}."
        )
    return [number("each lr", rate, above=0.0, way="Pass e.g. lr=[0.01, 0.02].") for rate in rates]


def batch_rows(asked: object, task: Task) -> int | None:
    """Rows in a step; None for all of them.

    Raises:
        ValueError: if there are not so many rows.
    """
    recipe = task.recipe
    if isinstance(asked, str) and asked == "auto":
        asked = recipe.batch_size if recipe else None
    if asked is None:
        return None
    way = "Pass a number, None for all rows, or 'auto' for the task's own."
    whole("batch_size", asked, way=way)
    rows = task.data.rows
    if not rows:
        raise ValueError(
            f"Expected the rows of batch_size={asked} among the model's positional arguments; "
            "there is no tensor with rows. Pass them as arguments, or batch_size=None."
        )
    return whole("batch_size", asked, most=rows, way=f"There are {rows} rows. {way}")
