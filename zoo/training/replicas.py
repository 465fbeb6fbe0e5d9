"""Several seeds of one fit side by side, as one compiled program over all of them."""

import time
import warnings
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from zoo.handlers.parameters import named_tensors, restore
from zoo.results.result import Fit
from zoo.training.checkpointer import Checkpointer
from zoo.training.divergence import all_finite
from zoo.training.progress import Watcher, progress_of, rate_of
from zoo.training.run import Run
from zoo.training.stopping.iterates import Iterates
from zoo.training.stopping.tail import tail_of

if TYPE_CHECKING:
    from zoo.training.compiled_trainer import CompiledTrainer


def train_replicas(runs: list[Run], watch: Watcher, checkpointer: Checkpointer) -> list[Fit]:
    """Trains runs that share one compiled trainer; each ends as a fit of its own.

    A replica whose loss or parameters leave the finite numbers ends as "diverged", at the start
    of that block; the others go on.
    """
    trainer, settings = cast("CompiledTrainer", runs[0].trainer), runs[0].fit.settings
    begin = time.perf_counter() - _seconds(runs)
    iterates, losses = _iterates(runs, trainer), _losses(runs, trainer.step)
    tails = [tail_of(run.fit, own) for run, own in zip(runs, trainer.trainers, strict=True)]
    ends = [_end_so_far(*each) for each in zip(runs, trainer.snapshots(), strict=True)]

    def note() -> dict[int, Fit]:
        seconds = (time.perf_counter() - begin) / len(runs)
        for run, own, end in zip(runs, losses, ends, strict=True):
            run.fit.losses, run.fit.last, run.fit.seconds = own[: end["step"]], end, seconds
        return {i: run.fit for i, run in enumerate(runs)}

    checkpointer.offer(note())
    try:
        while trainer.step < settings.steps:
            count = min(trainer.largest_block, settings.steps - trainer.step)
            count = count if iterates is None else min(count, iterates.due(trainer.step))
            count = count if tails[0] is None else min(count, tails[0].due(trainer.step))
            new = trainer.advance(count).cpu().reshape(len(runs), -1)
            both = torch.cat([losses, new.to(losses.dtype)], dim=1)
            now = trainer.snapshots()
            for tail, snapshot in zip(tails, now, strict=True):
                if tail is not None:
                    tail.note()
                    snapshot["tail"] = tail.state()
            now = [_end(*each) for each in zip(runs, new, now, ends, strict=True)]
            reached = iterates is not None and _converged(runs, iterates, both)
            if iterates is not None and not reached:
                now = [end | {"iterates": iterates.state()} for end in now]
            losses, ends = both, now
            fits, seconds = note(), time.perf_counter() - begin
            for i, own in enumerate(trainer.trainers):
                if fits[i].stopped != "diverged":
                    rate = rate_of(own.update, trainer.step)
                    watch(progress_of(fits[i], new[i], rate, seconds))
            if reached:
                break
            if checkpointer.stops(fits):
                raise KeyboardInterrupt
        for run, tail in zip(runs, tails, strict=True):
            if tail is not None and run.fit.stopped == "finished":
                tail.keep_better(run.fit)
    except KeyboardInterrupt:
        for run in runs:
            run.fit.stopped = "interrupted" if run.fit.stopped == "finished" else run.fit.stopped
    fits = note()
    for run in runs:
        restore(run.fit.program, run.fit.last["program"] if run.fit.best is None else run.fit.best)
        run.fit.program.eval()
    checkpointer.end_all(fits)
    return [run.fit for run in runs]


def _iterates(runs: list[Run], trainer: "CompiledTrainer") -> Iterates | None:
    """The iterates to watch, those of earlier fits included unless they had converged."""
    if runs[0].fit.settings.until != "converged":
        return None
    iterates = Iterates(trainer.trainers)
    for run in runs:
        run.fit.best = None
    if "iterates" in runs[0].fit.last:
        iterates.go_on(runs[0].fit.last["iterates"])
    return iterates


def _losses(runs: list[Run], steps: int) -> Tensor:
    """Losses of earlier fits, shape (replicas, steps); not a number from where one diverged."""
    losses = torch.full((len(runs), steps), torch.nan)
    for row, run in zip(losses, runs, strict=True):
        row[: len(run.fit.losses)] = run.fit.losses
    return losses


def _seconds(runs: list[Run]) -> float:
    """Time taken so far by all runs; they share the compiling, and what came before in parts."""
    build = runs[0].fit.build_seconds
    return build + sum(run.fit.seconds - run.fit.build_seconds for run in runs)


def _end_so_far(run: Run, now: dict) -> dict:
    """Where a replica ends if it goes no further."""
    return run.fit.last | {"going": now} if run.fit.stopped == "diverged" else now


def _converged(runs: list[Run], iterates: Iterates, losses: Tensor) -> bool:
    """Keeps each seed's mean of the iterates where all have become stationary together."""
    reached = iterates.note(losses)
    if reached:
        iterates.average()
    for run in runs:
        run.fit.convergence = iterates.found or run.fit.convergence
        if reached:
            run.fit.stopped = "converged"
            run.fit.best = named_tensors(run.fit.program)
    return reached


def _end(run: Run, losses: Tensor, now: dict, before: dict) -> dict:
    """The snapshot that a replica ends at if it goes no further.

    A diverged replica is computed along with the others, also in a resumed fit.
    """
    if run.fit.stopped == "diverged":
        return before | {"going": now}
    if all_finite([losses, *now["program"].values()]):
        return now
    run.fit.stopped = "diverged"
    first = before["step"] + int(losses.isfinite().long().cumprod(0).sum())
    warnings.warn(
        f"Seed {run.fit.settings.seed}: the loss or its gradient is not finite by step {first}; "
        f"that fit ends at step {before['step']}. Try a smaller lr or clip_norm.",
        stacklevel=2,
    )
    return before | {"going": now}
