"""Runs a fit, or several seeds of one, with everything settled."""

import math
import warnings
from collections import Counter
from collections.abc import Callable
from typing import cast

from zoo.copies import lent
from zoo.isolation import isolated
from zoo.results.result import Fit, Settings
from zoo.task import Task
from zoo.training.arrival import begin_near
from zoo.training.backend import choose_backend, choose_replicas
from zoo.training.checkpointer import Checkpointer, not_kept
from zoo.training.divergence import DivergenceError
from zoo.training.loop import train
from zoo.training.parallel.ranks import ALONE, Ranks
from zoo.training.progress import Bar, Watcher, progress_of
from zoo.training.replicas import train_replicas
from zoo.training.run import Run, as_it_was, go_on, go_on_together, prepare
from zoo.training.solving import solve


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
    on_progress: Watcher | None = None,
    ranks: Ranks = ALONE,
) -> Fit:
    """One fit with everything settled; see :func:`zoo.fit`.

    Args:
        task: what it is trained on.
        guide: as for :func:`zoo.fit`.
        settings: how it is trained.
        device: where.
        kwargs: keyword arguments of the model.
        checkpointer: writes it down; None for nowhere.
        number: which of the checkpointer's fits it is.
        progress: show a progress bar.
        on_progress: is told how far it is after each block.
        ranks: the processes that train it together.
    """
    checkpointer = not_kept() if checkpointer is None else checkpointer
    earlier = checkpointer.earlier[number]
    with isolated(seed=settings.seed), lent(task.build, guide):
        run = prepare(task, guide, settings, device, kwargs, ranks)
        if earlier is not None and checkpointer.done[number]:
            checkpointer.end(number, as_it_was(run, earlier))
            return run.fit
        if earlier is not None:
            go_on(run, earlier)
        shown, told = progress and ranks.first, on_progress if ranks.first else None
        with Bar(task.name, settings.steps, shown=shown, on_progress=told) as bar:
            if run.fit.solver is not None:
                solve(run, checkpointer, number)
                bar(progress_of(run.fit, run.fit.losses, math.nan, run.fit.seconds))
                return run.fit
            if settings.until == "converged" and (earlier is None or settings.dadvi):
                begin_near(run, checkpointer, number)
                if run.fit.stopped == "interrupted":
                    return run.fit
                if run.fit.settings.dadvi:
                    bar(progress_of(run.fit, run.fit.losses, math.nan, run.fit.seconds))
                    return run.fit
            choose_backend(run)
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
    on_progress: Watcher | None = None,
) -> list[Fit]:
    """Several fits side by side, or one after another where the compiled path is off."""
    runs = []
    for settings in several:
        with isolated(seed=settings.seed):
            runs.append(prepare(task, guide, settings, device, kwargs))
    _check_replicas(runs)
    earlier = [one for one in checkpointer.earlier if one is not None]
    if not all(checkpointer.done) and not runs[0].fit.direct:
        with isolated(seed=several[0].seed):
            if earlier and earlier[0].backend == "compiled":
                go_on_together(runs, earlier)
            if (not earlier or earlier[0].backend == "compiled") and choose_replicas(runs):
                steps = several[0].steps
                with Bar(task.name, steps, shown=progress, on_progress=on_progress) as bar:
                    return train_replicas(runs, bar, checkpointer)
    fits = list[Fit]()
    for number, settings in enumerate(several):
        fits.append(
            _one_of_several(
                task,
                guide,
                settings,
                device,
                kwargs,
                checkpointer,
                number,
                progress=progress,
                on_progress=on_progress,
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
    on_progress: Watcher | None,
) -> Fit:
    """A replica on its own: where it diverges, it ends there, and the others go on."""
    try:
        return fit_one(
            task,
            guide,
            settings,
            device,
            kwargs,
            checkpointer,
            number,
            progress=progress,
            on_progress=on_progress,
        )
    except DivergenceError as error:
        warnings.warn(f"Seed {settings.seed}: {error}", stacklevel=4)
        return cast(Fit, error.fit)
