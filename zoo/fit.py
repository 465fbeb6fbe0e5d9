"""`zoo.fit`: one call trains a guide under a model."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from pyro.infer import ELBO

from zoo.divergence import DivergenceError
from zoo.isolation import isolated
from zoo.latents import Model
from zoo.loop import train
from zoo.objectives import Objective, as_objective
from zoo.path import choose_path, choose_replicas
from zoo.prepare import Run, batch_rows, go_on, pick_device, prepare
from zoo.progress import Progress
from zoo.replicas import train_replicas
from zoo.result import Fit, Settings
from zoo.schedules import Schedule
from zoo.task import Task, given
from zoo.update import Update

Number = TypeVar("Number", int, float)


def fit(
    model: Task | Model,
    guide: Callable,
    *args: object,
    objective: str | Objective | ELBO = "trace",
    steps: int | None = None,
    optimizer: str = "adam",
    lr: float | Sequence[float] | None = None,
    lr_schedule: Schedule | None = None,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    batch_size: int | str | None = "auto",
    seed: int = 0,
    device: str = "auto",
    kl_weight: Schedule | None = None,
    freeze_model: bool = False,
    patience: int | None = None,
    valid_every: int = 500,
    progress: bool = False,
    model_kwargs: dict[str, object] | None = None,
    resume: Fit | None = None,
    compile: bool | str = "auto",  # noqa: FBT001
    replicas: int | None = None,
    until: str = "steps",
) -> Any:
    """Trains a guide, and the model's own parameters, by stochastic variational inference.

    Works on copies and in isolation: the model and guide passed in, the random state, the
    parameter store, the validation flags and the default dtype stay as they were. The result
    follows from the seed alone. Only a module that a plain function refers to by closure cannot be
    copied with it: it is trained in place.

    Args:
        model: a task from :func:`zoo.load`, or any Pyro model (then `args` are its arguments).
        guide: a guide class, a partial of one, a built guide, or any Pyro AutoGuide or function.
        *args: arguments of the model, where it is not a task.
        objective: a name, an objective, or one of Pyro's ELBO instances.
        steps: number of steps in all; a resumed fit counts those it has taken. Default: the
            task's own, else 1000.
        optimizer: a name of ``zoo.optimizers.OPTIMIZERS``.
        lr: learning rate; with replicas, one for each or one for all. Default: the task's own,
            else 0.01.
        lr_schedule: factor on the learning rate at each step.
        weight_decay: of the optimizer.
        clip_norm: largest norm of the whole gradient, in nats per unit.
        batch_size: rows in a step; None for all of them, "auto" for the task's own.
        seed: fixes initial values, the order of rows, and all noise. Replica r has seed + r.
        device: "auto", "cpu" or "cuda".
        kl_weight: weight of log p(z) - log q(z) at each step, e.g. Linear(0, 1, 1000).
        freeze_model: train the guide only.
        patience: stop after this many validations without a better one, and keep the best state;
            None never validates. Schedules count as they are at the last step.
        valid_every: steps between validations.
        progress: show a progress bar, if the output is a terminal.
        model_kwargs: keyword arguments of the model.
        resume: an earlier fit to go on from, of the same task, guide and settings.
        compile: True takes the compiled path; False the plain one; "auto" compiles from 5,000
            steps (over all replicas) on, and falls back to the plain step with a warning.
        replicas: train this many independent seeds side by side.
        until: "converged" stops once the iterates are stationary, and averages them (see
            :mod:`zoo.convergence`); `steps` is then the most it takes, 20 times its default.
            Replicas are compared with each other, and stop together.

    Returns:
        The fit; with replicas, a list of fits, where one that diverged says so in `stopped`.

    Raises:
        PairingError: if model, guide and objective do not go together.
        DivergenceError: on a non-finite loss; its `fit` attribute holds the last finite state.
        CaptureError: with compile=True, if the step cannot be captured as a tensor program.
        ValueError: for settings that make no sense.
    """
    task = model if isinstance(model, Task) else given(model, args)
    recipe = task.recipe
    _check_until(until, patience)
    usual = (recipe.steps if recipe else 1000) * (20 if until == "converged" else 1)
    rates = _rates(lr, recipe.lr if recipe else 1e-2, replicas)
    settings = Settings(
        objective=as_objective(objective),
        steps=_positive("steps", steps, usual),
        update=Update(optimizer, rates[0], lr_schedule, weight_decay, clip_norm),
        batch_size=batch_rows(batch_size, task),
        seed=seed,
        kl_weight=kl_weight,
        freeze_model=freeze_model,
        patience=patience,
        valid_every=valid_every,
        compile=compile,
        until=until,
    )
    place = pick_device(device)
    if replicas is not None:
        several = [
            replace(settings, seed=seed + r, update=replace(settings.update, lr=rate))
            for r, rate in enumerate(rates)
        ]
        return fit_replicas(task, guide, several, place, model_kwargs, progress=progress)
    return fit_one(task, guide, settings, place, model_kwargs, resume=resume, progress=progress)


def fit_one(
    task: Task,
    guide: Callable,
    settings: Settings,
    device: str,
    kwargs: dict[str, object] | None,
    *,
    resume: Fit | None = None,
    progress: bool = False,
) -> Fit:
    """One fit, with everything settled; see :func:`fit`."""
    with isolated(seed=settings.seed):
        run = prepare(task, guide, settings, device, kwargs)
        if resume is not None:
            go_on(run, resume)
        choose_path(run)
        with Progress(task.name, settings.steps, shown=progress) as bar:
            train(run, bar)
    return run.fit


def fit_replicas(
    task: Task,
    guide: Callable,
    several: list[Settings],
    device: str,
    kwargs: dict[str, object] | None,
    *,
    progress: bool = False,
) -> list[Fit]:
    """Several fits side by side, or one after another where the compiled path is off."""
    runs = []
    for settings in several:
        with isolated(seed=settings.seed):
            runs.append(prepare(task, guide, settings, device, kwargs))
    _check_replicas(runs)
    with isolated(seed=several[0].seed):
        if choose_replicas(runs):
            with Progress(task.name, several[0].steps, shown=progress) as bar:
                return train_replicas(runs, bar)
    return [_one_of_several(task, guide, s, device, kwargs, progress=progress) for s in several]


def _check_replicas(runs: list[Run]) -> None:
    patience = runs[0].fit.settings.patience
    if patience is not None:
        raise ValueError(f"Replicas are not validated; got patience={patience}. Leave it out.")
    owners = Counter(id(p) for run in runs for p in run.fit.program.parameters())
    named = runs[0].fit.program.named_parameters()
    shared = next((name for name, p in named if owners[id(p)] > 1), None)
    if shared is not None:
        raise ValueError(
            f"Replicas need parameters of their own; all of them would share '{shared}' of a "
            "module that a function refers to. Make that module part of the model, an nn.Module, "
            "or call fit with a fresh model for each seed."
        )


def _one_of_several(
    task: Task,
    guide: Callable,
    settings: Settings,
    device: str,
    kwargs: dict[str, object] | None,
    *,
    progress: bool,
) -> Fit:
    """A replica on its own: where it diverges, it ends there, and the others go on."""
    try:
        return fit_one(task, guide, settings, device, kwargs, progress=progress)
    except DivergenceError as error:
        warnings.warn(f"Seed {settings.seed}: {error}", stacklevel=4)
        return cast(Fit, error.fit)


def _check_until(until: str, patience: int | None) -> None:
    if until not in ("steps", "converged"):
        raise ValueError(f"Expected until='steps' or 'converged'; got '{until}'.")
    if until == "converged" and patience is not None:
        raise ValueError(
            "until='converged' watches the fit and stops it by itself; got "
            f"patience={patience}. Leave it out."
        )


def _positive(name: str, asked: Number | None, usual: Number) -> Number:
    value = usual if asked is None else asked
    if not value > 0:
        raise ValueError(f"Expected {name} above 0; got {value}.")
    return value


def _rates(
    asked: float | Sequence[float] | None, usual: float, replicas: int | None
) -> list[float]:
    """One learning rate for each replica."""
    count = _positive("replicas", replicas, 1)
    if isinstance(asked, Sequence):
        if replicas != len(asked):
            raise ValueError(
                f"Expected one learning rate for each replica; got {len(asked)} for replicas="
                f"{replicas}. Pass replicas={len(asked)}."
            )
        return [_positive("lr", rate, usual) for rate in asked]
    return [_positive("lr", asked, usual)] * count
