"""A progress bar, where there is a terminal to show it on."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Progress:
    """A bar over steps with the current loss; silent if not asked for or not on a terminal.

    Args:
        title: what the bar is labelled with.
        total: number of steps.
        shown: asked for at all?
    """

    def __init__(self, title: str, total: int, *, shown: bool) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.2f}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not (shown and sys.stderr.isatty()),
        )
        self._task = self._bar.add_task(title, total=total, loss=float("nan"))

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def reach(self, step: int, loss: float) -> None:
        """Moves the bar to `step`."""
        self._bar.update(self._task, completed=step, loss=loss)
