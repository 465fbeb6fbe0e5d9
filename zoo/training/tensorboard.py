"""A log for TensorBoard: the loss while a fit trains, and its metrics and settings at the end."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from zoo.errors import not_installed
from zoo.metrics import Metric
from zoo.results.result import Fit
from zoo.results.shown import lines_of
from zoo.training.progress import Progress

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

POINTS = 1000  # of a curve; so many cost less than a tenth of a second, however many the steps


class TensorBoard:
    """Writes what `zoo.fit` tells its `on_progress` as a log that TensorBoard shows.

        log = zoo.TensorBoard("runs/tensorboard")
        fit = zoo.fit(task, guides.AmortisedIAF, on_progress=log)
        log.end(fit, zoo.evaluate(fit))

    Then run ``tensorboard --logdir runs/tensorboard``. Each run has a folder there, named by
    ``Progress.run``, with the curve of the loss in nats per row (a point is the mean of up
    to a thousandth of the steps), the learning rate where it changes, the final metrics, and the
    settings as text. A fit that is resumed continues its curve.

    Args:
        folder: where to write; it is made if it is not there.

    Raises:
        ValueError: if the package tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        _writer_class()
        self.folder, self._curves = Path(folder), dict[str, _Curve]()

    def __call__(self, progress: Progress) -> None:
        """Adds the steps since the last call to the curve of the run."""
        self._curve(progress.run, progress.step - len(progress.losses)).add(progress)

    def end(
        self, fit: Fit, metrics: Mapping[str, Metric] | None = None, *, run: str | None = None
    ) -> None:
        """Writes the settings, the validation losses and the metrics of a fit, and ends its log.

        Args:
            fit: the fit.
            metrics: what :func:`zoo.evaluate` found; None for nothing.
            run: name of the run; None is that of a fit on its own, such as "seed0".
        """
        name = f"seed{fit.settings.seed}" if run is None else run
        curve = self._curve(name, len(fit.losses))
        curve.end(fit, metrics or {})
        del self._curves[name]

    def close(self) -> None:
        """Ends the logs of runs that have not come to their end."""
        for curve in self._curves.values():
            curve.writer.close()
        self._curves.clear()

    def _curve(self, run: str, step: int) -> "_Curve":
        if run not in self._curves:
            self._curves[run] = _Curve(self.folder / run, step)
        return self._curves[run]


class _Curve:
    """The log of one run.

    Args:
        folder: of its file.
        step: steps taken before; what an earlier log has beyond them is not shown.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.writer = _writer_class()(str(folder), purge_step=step + 1, flush_secs=10)
        self.written, self.rate, self.every = step, math.nan, 1
        self.waiting = torch.zeros(0, dtype=torch.float64)  # losses of the steps after `written`

    def add(self, progress: Progress) -> None:
        """Writes a point for every so many steps; the steps left over wait for the next call."""
        self.every = math.ceil(progress.steps / POINTS)
        self.waiting = torch.cat([self.waiting, progress.losses.double() / progress.rows])
        while len(self.waiting) >= self._due():
            self._write(self._due())
        if not math.isnan(progress.lr) and progress.lr != self.rate:
            self.rate = progress.lr
            self.writer.add_scalar("learning rate", progress.lr, progress.step)

    def _due(self) -> int:
        """Steps until the next multiple of `every`."""
        return self.every - self.written % self.every

    def _write(self, count: int) -> None:
        self.written += count
        self.writer.add_scalar("loss", float(self.waiting[:count].mean()), self.written)
        self.waiting = self.waiting[count:]

    def end(self, fit: Fit, metrics: Mapping[str, Metric]) -> None:
        """Writes what is known at the end, and closes the file."""
        if len(self.waiting):
            self._write(len(self.waiting))
        steps = len(fit.losses)
        for step, loss in fit.valid:
            self.writer.add_scalar("loss on validation rows", loss, step)
        for name, metric in metrics.items():
            self.writer.add_scalar(f"metrics/{name}", metric.value, steps)
            self.writer.add_scalar(f"standard errors/{name}", metric.se, steps)
        self.writer.add_text("fit", _as_table(lines_of(fit)), steps)
        own = [(one.name, str(getattr(fit.settings, one.name))) for one in fields(fit.settings)]
        self.writer.add_text("settings", _as_table(own), steps)
        self.writer.close()


def _as_table(lines: Sequence[tuple[str, str]]) -> str:
    """Lines as a table in Markdown, which TensorBoard shows."""
    cells = [f"| {name} | {words.replace('|', ' ')} |" for name, words in lines]
    return "\n".join(["| | |", "|---|---|", *cells])


def _writer_class() -> "type[SummaryWriter]":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise not_installed("A log for TensorBoard", "tensorboard") from error
    return SummaryWriter
