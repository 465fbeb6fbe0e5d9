"""How far a fit is: what `on_progress` is told, and the progress bar."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from torch import Tensor

from zoo.checks.arguments import function
from zoo.isolation import isolated
from zoo.optim.update import Update
from zoo.results.result import Fit
from zoo.results.shown import loss_rows


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a fit is, after a block of steps.

    Attributes:
        run: name of the run: "seed0" in :func:`zoo.fit`, "GUIDE-OBJECTIVE-seed0" in
            :func:`zoo.compare`, with the values of its settings in :func:`zoo.sweep`.
        seed: of the fit.
        step: steps taken so far, those of an earlier fit that it goes on from included.
        steps: steps that it takes in all, at most.
        loss: of the last step, in nats for the full data; `loss / rows` is in nats per row.
        rows: rows that the loss is a sum over, each with latents of its own; 1 where they share
            one.
        lr: learning rate of the last step; NaN where no steps are taken, as by DADVI.
        seconds: time taken by training so far; replicas that train side by side share it.
        losses: of each step since the last call, shape (steps,).
    """

    run: str
    seed: int
    step: int
    steps: int
    loss: float
    rows: int
    lr: float
    seconds: float
    losses: Tensor = field(repr=False)

    @property
    def seconds_left(self) -> float:
        """An estimate of the time until the last step, from that of the steps so far."""
        return self.seconds / self.step * (self.steps - self.step) if self.step else math.nan


Watcher = Callable[[Progress], object]


def checked(on_progress: object) -> Watcher | None:
    """A function to call with each :class:`Progress`, or None.

    Raises:
        ValueError: for anything else.
    """
    way = "Pass e.g. on_progress=lambda progress: print(progress.step, progress.loss)."
    return None if on_progress is None else function("on_progress", on_progress, way)


def rate_of(update: Update, step: int) -> float:
    """The learning rate of step number `step`, counted from 1."""
    if update.lr_schedule is None:
        return update.lr
    return update.lr * float(update.lr_schedule(torch.full((), float(step - 1))))


def progress_of(fit: Fit, losses: Tensor, lr: float, seconds: float) -> Progress:
    """How far a fit is, whose last steps had these losses."""
    return Progress(
        run=f"seed{fit.settings.seed}",
        seed=fit.settings.seed,
        step=len(fit.losses),
        steps=fit.settings.steps,
        loss=float(losses[-1]) if len(losses) else math.nan,  # the start was the end
        rows=loss_rows(fit),
        lr=lr,
        seconds=seconds,
        losses=losses.detach().cpu(),
    )


class Bar:
    """A bar over steps with the current loss; silent if not asked for or not on a terminal.

    Args:
        title: what the bar is labelled with.
        total: number of steps.
        shown: asked for at all?
        on_progress: called with the same as the bar, after it.
        says: what the number beside the bar is.
    """

    def __init__(
        self,
        title: str,
        total: int,
        *,
        shown: bool,
        on_progress: Watcher | None = None,
        says: str = "loss",
    ) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{says} {{task.fields[value]:.2f}}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not (shown and sys.stderr.isatty()),
        )
        self._task = self._bar.add_task(title, total=total, value=math.nan)
        self._on_progress = on_progress

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Moves the bar to a fit's step, and tells the caller's own function.

        That function runs in isolation, so that it draws no random numbers of the training.
        """
        self.reach(progress.step, progress.loss)
        if self._on_progress is not None:
            with isolated():
                self._on_progress(progress)

    def reach(self, completed: int, value: float) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=completed, value=value)
