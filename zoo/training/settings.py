"""Checks the arguments of a fit and turns them into settings, for `fit` and `compare`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pyro.infer import ELBO

from zoo.checks.arguments import (
    flag,
    look_up,
    number,
    one_of,
    refusal,
    seed_given,
    whole,
)
from zoo.checks.fits import check_until, compile_mode, rates_of
from zoo.latents.family import clip_norm_of, solver_of
from zoo.objectives import LossOfPair, Objective, as_objective
from zoo.optim.natural import NATURAL
from zoo.optim.optimizers import OPTIMIZERS
from zoo.optim.schedules import Cosine, Schedule, check_schedule
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.task import Task
from zoo.training.stopping.direct import DADVI, is_direct
from zoo.training.unknowns import Unknowns, unknowns

LONGEST_UNTIL_CONVERGED = 20  # times the usual steps
OF_STEPS = (  # settings of a fit that say how many steps are taken, and how
    *("steps", "until", "optimizer", "lr", "lr_schedule", "weight_decay", "clip_norm"),
    *("batch_size", "kl_weight", "patience", "valid_every", "compile", "tolerance", "average"),
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a caller asks of a fit; the arguments of :func:`zoo.fit` of the same names.

    Nothing is checked yet, and None or "auto" stands for what is usual for the task.
    :meth:`settings` checks every value and settles it.
    """

    objective: str | Objective | ELBO | LossOfPair = "trace"
    steps: int | None = None
    optimizer: str = "auto"
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
    until: str = "auto"
    tolerance: float = 0.05
    average: bool | str = "auto"

    def settings(
        self,
        task: Task,
        guide: Callable | None = None,
        kwargs: dict[str, object] | None = None,
        replicas: int | None = None,
    ) -> list[Settings]:
        """The settings of the fit on a task, or those of each of its replicas.

        Args:
            task: what it is trained on.
            guide: with what; None where that is not known yet, and "auto" then takes steps.
            kwargs: keyword arguments of the model.
            replicas: number of seeds side by side.

        Raises:
            ValueError: with the name of the argument, what it was, what is expected and a way out.
        """
        count = 1 if replicas is None else whole("replicas", replicas)
        objective = as_objective(self.objective)
        look_up("optimizer", self.optimizer, dict.fromkeys(["auto", DADVI, *OPTIMIZERS]))
        self._refuse_one_loss(objective)
        solver = None if guide is None else solver_of(guide)
        if solver is not None:
            self._refuse_steps(solver)
        unknown = Unknowns("its guide is not known yet")
        if guide is not None and solver is None and self._may_converge(task):
            frozen = flag("freeze_model", self.freeze_model)
            unknown = unknowns(task, guide, kwargs, frozen=frozen)
        direct = is_direct(self, guide, objective, unknown)
        until = "converged" if solver else self._until(unknown, direct=direct)
        asked = replace(self, until=until)
        steps = asked._steps(task)
        rates = rates_of(self.lr, task.recipe.lr if task.recipe else 1e-2, replicas)
        self._refuse_unnatural(rates)
        update = asked._update(task, steps, clip_norm_of(guide))
        first = Settings(
            objective=objective,
            steps=steps,
            update=update,
            batch_size=batch_rows(self.batch_size, task),
            seed=seed_given(self.seed, count=count),
            kl_weight=check_schedule("kl_weight", self.kl_weight, steps),
            freeze_model=flag("freeze_model", self.freeze_model),
            patience=None if self.patience is None else whole("patience", self.patience),
            valid_every=whole("valid_every", self.valid_every, way="Pass e.g. valid_every=500."),
            compile=compile_mode(self.compile),
            until=asked.until,
            tolerance=number("tolerance", self.tolerance, above=0.0, way="Pass tolerance=0.05."),
            average=asked._average(),
            dadvi=direct,
        )
        return [
            replace(first, seed=first.seed + r, update=replace(update, lr=rate))
            for r, rate in enumerate(rates)
        ]

    def without_steps(self) -> "Request":
        """The same for a guide that takes no steps: without all that says how to take them."""
        unset = Request()
        return replace(self, **{name: getattr(unset, name) for name in OF_STEPS})

    def _refuse_steps(self, solver: str) -> None:
        """Refuses how to take steps beside a guide that is found by a method of its own."""
        unset = Request()
        for name in OF_STEPS[2:]:  # of the first two the fit says that it took no steps
            value, usual = getattr(self, name), getattr(unset, name)
            if value != usual:
                why = f"the guide is found by {solver}, which takes no steps"
                raise refusal(name, repr(usual), value, f"Leave {name} out: {why}.")

    def _refuse_unnatural(self, rates: Sequence[float]) -> None:
        """Refuses what makes no sense beside natural gradients."""
        name = self.optimizer
        if name in NATURAL and self.weight_decay:
            way = "Leave it out: the model's prior stands in its place."
            raise refusal("weight_decay", f"0.0 beside '{name}'", self.weight_decay, way)
        if name in NATURAL and max(rates) > 1:
            way = "At rate 1 a step goes all the way. Pass e.g. lr=0.1."
            raise refusal("lr", f"at most 1 beside '{name}'", max(rates), way)

    def _refuse_one_loss(self, objective: Objective) -> None:
        """Refuses what watches one loss fall, where none does.

        Parts may take turns on losses of their own, and an energy's loss follows its chains.
        """
        name, asked = type(objective).__name__, {
            "patience": (self.patience, None),
            "until": (self.until, "steps"),
            "average": (self.average, False),
        }  # fmt: skip
        energy = objective.needs.energy
        if energy and self.kl_weight is not None:
            way = f"Pass kl_weight=None: the chains of {name} know no other weight of a term."
            raise refusal("kl_weight", "None", self.kl_weight, way)
        for setting, (value, wanted) in asked.items() if objective.turns or energy else ():
            if value not in (wanted, "auto"):
                why = f"the parts of {name} descend losses of their own"
                if energy:
                    why = f"the loss of {name} depends on where its chains are, and need not fall"
                raise refusal(setting, repr(wanted), value, f"Pass {setting}={wanted!r}: {why}.")

    def _may_converge(self, task: Task) -> bool:
        """Does nothing that is asked for count steps, so that the fit may end by itself?"""
        found = check_until(self.until, self.patience)
        if found != "auto" or self.optimizer == DADVI:
            return found != "steps"
        counted = (self.steps, self.patience, self.lr_schedule, self.kl_weight)
        whole_data = batch_rows(self.batch_size, task) is None
        return whole_data and all(value is None for value in counted)

    def _until(self, unknown: Unknowns, *, direct: bool) -> str:
        """How the fit ends, where "auto" is asked for too.

        It converges where it may end by itself, and all unknowns are latents that rows share; else
        it takes steps. DADVI converges.
        """
        if self.until != "auto":
            return self.until
        only_shared = unknown.why_not is None and unknown.parameters == 0
        return "converged" if only_shared or direct else "steps"

    def _average(self) -> bool | str:
        choices: tuple[bool | str, ...] = (True, False, "auto")
        found = one_of("average", self.average, choices)
        if found is True and self.until == "converged":
            way = "Such a fit ends by itself; pass steps=1000, say, or leave average out."
            raise refusal("average", "False or 'auto' beside until='converged'", found, way)
        if found is True and self.patience is not None:
            way = "Leave one of them out: patience keeps the best state, and no mean."
            raise refusal("average", "False or 'auto' beside patience", found, way)
        return found

    def _steps(self, task: Task) -> int:
        if self.steps is not None:
            return whole("steps", self.steps, way="Pass e.g. steps=1000.")
        usual = task.recipe.steps if task.recipe else 1000
        return usual * (LONGEST_UNTIL_CONVERGED if self.until == "converged" else 1)

    def _update(self, task: Task, steps: int, usual_norm: float | None) -> Update:
        """The optimizer's settings; each replica puts its own learning rate in."""
        schedule = self.lr_schedule
        usual = schedule is None and self.steps is None and self.until != "converged"
        if usual and task.recipe is not None and task.recipe.rate_falls:
            schedule = Cosine(steps)
        name = "adam" if self.optimizer in ("auto", DADVI) else self.optimizer
        decay, norm = self.weight_decay, usual_norm if self.clip_norm is None else self.clip_norm
        if norm is not None:
            norm = number("clip_norm", norm, above=0.0, way="Pass clip_norm=None to clip nothing.")
        return Update(
            name,
            lr_schedule=check_schedule("lr_schedule", schedule, steps),
            weight_decay=number(
                "weight_decay", decay, least=0.0, way="Pass weight_decay=0.0 for none."
            ),
            clip_norm=norm,
        )


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
