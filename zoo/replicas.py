"""Several seeds of one fit side by side, as one compiled program over all of them."""

import time
import warnings

import torch
from torch import Tensor

from zoo.compiled_trainer import CompiledTrainer
from zoo.convergence import Iterates
from zoo.divergence import all_finite
from zoo.parameters import named_tensors, restore
from zoo.prepare import Run
from zoo.progress import Progress
from zoo.result import Fit


def train_replicas(runs: list[Run], bar: Progress) -> list[Fit]:
    """Trains runs that share one compiled trainer; each ends as a fit of its own.

    A replica whose loss or parameters leave the finite numbers ends as "diverged", at the start
    of that block; the others go on.
    """
    trainer, settings = runs[0].trainer, runs[0].fit.settings
    assert isinstance(trainer, CompiledTrainer)
    begin = time.perf_counter() - runs[0].fit.build_seconds
    ends, losses = trainer.snapshots(), torch.zeros(len(runs), 0)
    iterates = Iterates(trainer.trainers) if settings.until == "converged" else None
    try:
        while trainer.step < settings.steps:
            count = min(trainer.largest_block, settings.steps - trainer.step)
            count = count if iterates is None else min(count, iterates.due(trainer.step))
            new = trainer.advance(count).cpu().reshape(len(runs), -1)
            losses = torch.cat([losses, new.to(losses.dtype)], dim=1)
            ends = [_end(*each) for each in zip(runs, new, trainer.snapshots(), ends, strict=True)]
            bar.reach(trainer.step, float(new[:, -1].mean()))
            if iterates is not None and _converged(runs, iterates, losses):
                break
    except KeyboardInterrupt:
        for run in runs:
            run.fit.stopped = "interrupted" if run.fit.stopped == "finished" else run.fit.stopped
    seconds = (time.perf_counter() - begin) / len(runs)
    for run, own, end in zip(runs, losses, ends, strict=True):
        restore(run.fit.program, end["program"] if run.fit.best is None else run.fit.best)
        run.fit.losses, run.fit.last, run.fit.seconds = own[: end["step"]], end, seconds
        run.fit.program.eval()
    return [run.fit for run in runs]


def _converged(runs: list[Run], iterates: Iterates, losses: Tensor) -> bool:
    """Keeps each seed's mean of the iterates where all have become stationary together."""
    reached = iterates.note(losses)
    if reached:
        iterates.average()
    for run in runs:
        run.fit.convergence = iterates.found
        if reached:
            run.fit.stopped = "converged"
            run.fit.best = named_tensors(run.fit.program)
    return reached


def _end(run: Run, losses: Tensor, now: dict, before: dict) -> dict:
    """The snapshot that a replica ends at if it goes no further."""
    if run.fit.stopped == "diverged":
        return before
    if all_finite([losses, *now["program"].values()]):
        return now
    run.fit.stopped = "diverged"
    first = before["step"] + int(losses.isfinite().long().cumprod(0).sum())
    warnings.warn(
        f"Seed {run.fit.settings.seed}: the loss or its gradient is not finite by step {first}; "
        f"that fit ends at step {before['step']}. Try a smaller lr or clip_norm.",
        stacklevel=2,
    )
    return before
