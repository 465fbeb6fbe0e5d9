"""`zoo.fit`: one call trains a guide under a model."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, cast

from pyro.infer import ELBO

from zoo.checks.arguments import flag
from zoo.checks.inputs import check_call, check_data, check_kwargs
from zoo.copies import lent
from zoo.device import pick_device
from zoo.errors import did_you_mean
from zoo.isolation import isolated
from zoo.latents import Model
from zoo.objectives import LossOfPair, Objective
from zoo.optim.schedules import Schedule
from zoo.pairing.guide_input import check_guide
from zoo.results.result import Fit, Settings
from zoo.task import Task, task_of
from zoo.training.arrival import begin_near
from zoo.training.backend import choose_backend, choose_replicas
from zoo.training.checkpointer import Checkpoint, Checkpointer, not_kept
from zoo.training.divergence import DivergenceError
from zoo.training.loop import train
from zoo.training.progress import Progress
from zoo.training.replicas import train_replicas
from zoo.training.resuming import Resume, checkpointer_for
from zoo.training.run import Run, as_it_was, go_on, go_on_together, prepare
from zoo.training.settings import Request


def fit(
    model: Task | Model,
    guide: Callable,
    *args: object,
    objective: str | Objective | ELBO | LossOfPair = "trace",
    steps: int | None = None,
    optimizer: str = "auto",
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
    resume: Resume | None = None,
    compile: bool | str = "auto",  # noqa: FBT001
    replicas: int | None = None,
    until: str = "auto",
    tolerance: float = 0.05,
    checkpoint: str | Path | Checkpoint | None = None,
    **unknown: object,
) -> Any:
    """Trains a guide, and the model's own parameters, by stochastic variational inference.

    Works on copies and in isolation: the model and guide passed in, the random state, the
    parameter store, the validation flags and the default dtype stay as they were. The result
    follows from the seed alone. Only what a plain function refers to, from its closure or through
    a list or another object, cannot be copied with it: such a module is trained in place, and of
    it only the values of parameters and buffers change. One fit runs at a time: other threads
    wait.

    Trained is what Pyro's SVI would train: all of ``pyro.param`` and ``pyro.module``, also where a
    statement is met only after some steps; and the modules that model and guide themselves are. A
    net that a function refers to without ``pyro.module`` is held as it is, with a warning. Model
    and guide run once under Pyro's validation first, unless the caller has it off.

    Args:
        model: a task from :func:`zoo.load`, or any Pyro model (then `args` are its arguments).
        guide: a guide class, a partial of one, a built guide, or any Pyro AutoGuide or function.
        *args: arguments of the model, where it is not a task.
        objective: a name, an objective, one of Pyro's ELBO instances (or of a class that descends
            from them), or a function ``loss(model, guide, *args, **kwargs)`` as Pyro's SVI takes.
        steps: number of steps in all; a resumed fit counts those it has taken. Default: the
            task's own, else 1000.
        optimizer: a name of ``zoo.optim.optimizers.OPTIMIZERS``, or "dadvi": for guides that are
            normals over latents shared by rows, the best one is found by L-BFGS on fixed draws
            (:mod:`zoo.normals.dadvi`), and the model's few parameters with it. "auto" is "dadvi"
            where it applies, `until` is not "steps", the objective is "trace" and no setting of
            steps is given; else "adam".
        lr: learning rate; with replicas, one for each or one for all. Default: the task's own,
            else 0.01.
        lr_schedule: factor on the learning rate at each step. Default: 1; where neither it nor
            `steps` is given, that of the task's own recipe.
        weight_decay: of the optimizer.
        clip_norm: largest norm of the whole gradient, in nats per unit: of the parameters of the
            model, the guide and the objective together.
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
        resume: an earlier fit to go on from, of the same task, guide and settings, but `steps`
            may grow: a fit, with replicas a list of them, or the folder of a checkpoint. A
            folder's fit that came to its end with as many steps is returned as it is. The folder
            may be that of `checkpoint`; while nothing is there, training starts at the beginning.
        compile: True takes the compiled path; False the plain one; "auto" compiles from 5,000
            steps (over all replicas) on, and falls back to the plain step with a warning.
        replicas: train this many independent seeds side by side.
        until: "steps" takes the number of steps given. "converged" begins near the posterior,
            lets the learning rate fall in stages, and ends where the guide no longer changes
            (:mod:`zoo.training.stages`); guides of normals take no such steps, see `optimizer`.
            `steps` is then the most it takes, of L-BFGS too, 20 times its default. Where a guide
            was built or trained to start is not used: it begins at Pathfinder's normal.
            Where steps train local latents or parameters of the model, the rate stays, and the
            fit ends where its iterates are stationary (:mod:`zoo.results.convergence`). "auto" is
            "converged" where no `steps` are given and all that is unknown is latents that rows
            share, and under a guide of normals up to 50 numbers in parameters of the model,
            beside up to 200 of latents.
            Compiled replicas are compared with each other, and stop together.
        tolerance: how far a mean of the guide may still move at the end, in its sds.
        checkpoint: an empty folder, tried before training, that the fit is written to every
            minute and at its end; a :class:`zoo.Checkpoint` says how often. On SIGTERM the fit is
            written at the end of the block of steps, and the process exits with status 143.
        **unknown: refused; the model's own keyword arguments belong in `model_kwargs`.

    Returns:
        The fit; with replicas, a list of fits, where one that diverged says so in `stopped`. The
        list ends at one that was interrupted.

    Raises:
        PairingError: if model, guide and objective do not go together.
        DivergenceError: on a non-finite loss; its `fit` attribute holds the last finite state.
        CaptureError: with compile=True, if the step cannot be captured as a tensor program.
        CompileError: with compile=True, if the compiler fails or there is none.
        ValueError: for settings that make no sense, or that are not those of the fit to go on
            from.
        SaveError: if the fit cannot be written to `checkpoint` at its end; its `fit` attribute
            holds it.
    """
    _refuse_unknown(unknown)
    task = task_of(model, args)
    check_guide(guide)
    kwargs = check_kwargs(model_kwargs)
    check_data((), kwargs)
    if not isinstance(model, Task):
        check_call(model, args, kwargs)
    flag("progress", progress)
    request = Request(
        objective=objective,
        steps=steps,
        optimizer=optimizer,
        lr=lr,
        lr_schedule=lr_schedule,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        batch_size=batch_size,
        seed=seed,
        kl_weight=kl_weight,
        freeze_model=freeze_model,
        patience=patience,
        valid_every=valid_every,
        compile=compile,
        until=until,
        tolerance=tolerance,
    )
    several, place = request.settings(task, guide, kwargs, replicas), pick_device(device)
    checkpointer = checkpointer_for(
        task,
        guide,
        several,
        kwargs,
        checkpoint=checkpoint,
        resume=resume,
        replicated=replicas is not None,
    )
    with checkpointer.listening(), lent(task.build, guide):
        if replicas is not None:
            return fit_replicas(
                task, guide, several, place, kwargs, checkpointer, progress=progress
            )
        return fit_one(task, guide, several[0], place, kwargs, checkpointer, progress=progress)


def fit_one(
    task: Task,
    guide: Callable,
    settings: Settings,
    device: str,
    kwargs: dict[str, object] | None,
    checkpointer: Checkpointer | None = None,
    number: int = 0,
    *,
    progress: bool = False,
) -> Fit:
    """One fit with everything settled; see :func:`fit`.

    Args:
        task: what it is trained on.
        guide: as for :func:`fit`.
        settings: how it is trained.
        device: where.
        kwargs: keyword arguments of the model.
        checkpointer: writes it down; None for nowhere.
        number: which of the checkpointer's fits it is.
        progress: show a progress bar.
    """
    checkpointer = not_kept() if checkpointer is None else checkpointer
    earlier = checkpointer.earlier[number]
    with isolated(seed=settings.seed), lent(task.build, guide):
        run = prepare(task, guide, settings, device, kwargs)
        if earlier is not None and checkpointer.done[number]:
            checkpointer.end(number, as_it_was(run, earlier))
            return run.fit
        if earlier is not None:
            go_on(run, earlier)
        if settings.until == "converged" and (earlier is None or settings.dadvi):
            begin_near(run, checkpointer, number)
            if run.fit.settings.dadvi or run.fit.stopped == "interrupted":
                return run.fit
        choose_backend(run)
        with Progress(task.name, settings.steps, shown=progress) as bar:
            train(run, bar, checkpointer, number)
    return run.fit


def fit_replicas(
    task: Task,
    guide: Callable,
    several: list[Settings],
    device: str,
    kwargs: dict[str, object] | None,
    checkpointer: Checkpointer,
    *,
    progress: bool = False,
) -> list[Fit]:
    """Several fits side by side, or one after another where the compiled path is off."""
    runs = []
    for settings in several:
        with isolated(seed=settings.seed):
            runs.append(prepare(task, guide, settings, device, kwargs))
    _check_replicas(runs)
    earlier = [one for one in checkpointer.earlier if one is not None]
    if not all(checkpointer.done) and not several[0].dadvi:
        with isolated(seed=several[0].seed):
            if earlier and earlier[0].backend == "compiled":
                go_on_together(runs, earlier)
            if (not earlier or earlier[0].backend == "compiled") and choose_replicas(runs):
                with Progress(task.name, several[0].steps, shown=progress) as bar:
                    return train_replicas(runs, bar, checkpointer)
    fits = list[Fit]()
    for number, settings in enumerate(several):
        fits.append(
            _one_of_several(
                task, guide, settings, device, kwargs, checkpointer, number, progress=progress
            )
        )
        if fits[-1].stopped == "interrupted":
            break
    return fits


def _check_replicas(runs: list[Run]) -> None:
    patience = runs[0].fit.settings.patience
    if patience is not None:
        raise ValueError(f"Replicas are not validated; got patience={patience}. Leave it out.")
    owners = Counter(id(p) for run in runs for p in run.trainer.parameters)
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
    checkpointer: Checkpointer,
    number: int,
    *,
    progress: bool,
) -> Fit:
    """A replica on its own: where it diverges, it ends there, and the others go on."""
    try:
        return fit_one(
            task, guide, settings, device, kwargs, checkpointer, number, progress=progress
        )
    except DivergenceError as error:
        warnings.warn(f"Seed {settings.seed}: {error}", stacklevel=4)
        return cast(Fit, error.fit)


def _refuse_unknown(passed: dict[str, object]) -> None:
    if passed:
        name = next(iter(passed))
        settings = list(signature(fit).parameters)[3:-1]
        meant = f"{did_you_mean(name, settings)} If".strip()
        raise ValueError(
            f"fit has no setting '{name}'. {meant} it is an argument of the model, pass "
            f"model_kwargs={{'{name}': ...}}."
        )
