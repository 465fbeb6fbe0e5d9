"""Several seeds of one fit side by side, as one compiled program over all of them."""

import time

import torch

from zoo.compiled_trainer import CompiledTrainer
from zoo.divergence import DivergenceError
from zoo.prepare import Run
from zoo.progress import Progress
from zoo.result import Fit


def train_replicas(runs: list[Run], bar: Progress) -> list[Fit]:
    """Trains runs that share one compiled trainer; each ends as a fit of its own.

    Raises:
        DivergenceError: if the loss of a replica is not finite; its `fit` is that replica's, at
            the start of the block.
        ValueError: if validation is asked for, which replicas do not do.
    """
    trainer, settings = runs[0].trainer, runs[0].fit.settings
    assert isinstance(trainer, CompiledTrainer)
    if settings.patience is not None:
        raise ValueError(
            f"Replicas are not validated; got patience={settings.patience}. Use None."
        )
    begin = time.perf_counter() - runs[0].fit.build_seconds
    snapshots, parts = trainer.snapshots(), [torch.zeros(len(runs), 0)]
    try:
        while trainer.step < settings.steps:
            count = min(trainer.largest_block, settings.steps - trainer.step)
            losses = trainer.advance(count).cpu()
            _check(losses, runs, snapshots)
            parts.append(losses.to(parts[0].dtype))
            snapshots = trainer.snapshots()
            bar.reach(trainer.step, float(losses[:, -1].mean()))
    except KeyboardInterrupt:
        for run in runs:
            run.fit.stopped = "interrupted"
    seconds = (time.perf_counter() - begin) / len(runs)
    for run, losses, snapshot in zip(runs, torch.cat(parts, dim=1), snapshots, strict=True):
        run.fit.losses, run.fit.last, run.fit.seconds = losses, snapshot, seconds
        run.fit.program.eval()
    return [run.fit for run in runs]


def _check(losses: torch.Tensor, runs: list[Run], snapshots: list[dict]) -> None:
    bad = (~losses.isfinite()).nonzero()
    if not len(bad):
        return
    replica, offset = (int(i) for i in bad[0])
    error = DivergenceError(snapshots[replica]["step"] + offset, ())
    fit = runs[replica].fit
    fit.last, fit.stopped, error.fit = snapshots[replica], "diverged", fit
    raise error
