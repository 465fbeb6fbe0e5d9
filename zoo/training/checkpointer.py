"""Writing a fit down while it trains, and ending it on SIGTERM."""

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from zoo.results.earlier import Earlier
from zoo.results.record import RECORD
from zoo.results.result import Fit
from zoo.training.checkpoint import write_record, write_state
from zoo.training.parallel.ranks import ALONE, Ranks

TERMINATED = 143  # the exit status of a process that SIGTERM ended


@dataclass(frozen=True)
class Checkpoint:
    """Where a fit is written down while it trains, and how often.

    Attributes:
        folder: the folder; it is made if it is not there.
        seconds: time between two checkpoints; one is written at the end of a block of steps,
            which takes about a second, once so much time has passed.
        ended: called with each fit as it ends, after it was written.
    """

    folder: str | Path
    seconds: float = 60.0
    ended: Callable[[Fit], None] | None = None

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise ValueError(f"Expected seconds of at least 0; got {self.seconds}.")


class SaveError(OSError):
    """A fit could not be written at its end.

    Attributes:
        fit: the fit, which is whole; save it elsewhere.
    """

    fit: Fit | None = None


class Checkpointer:
    """Writes one fit, or several seeds of one, to a folder while they train.

    Args:
        place: the folder; None writes nothing.
        earlier: where each fit was in an earlier run; None where it begins.
        records: the record of each fit that the folder has already; None where it has none.
        done: has it come to its end, so that nothing is left to do?
        several: are they replicas?
        ranks: the processes that train the fit together; rank 0 writes.
        listens: does SIGTERM end training at the end of the block? By default where it is written.
    """

    def __init__(
        self,
        place: Checkpoint | None,
        earlier: list[Earlier | None],
        records: list[dict | None],
        done: list[bool],
        *,
        several: bool,
        ranks: Ranks = ALONE,
        listens: bool | None = None,
    ) -> None:
        self.place, self.earlier, self.records, self.done = place, earlier, records, done
        self.several, self.ranks = several, ranks
        self.listens = place is not None if listens is None else listens
        self.stopping, self.terminated, self._written = False, False, -float("inf")

    def offer(self, fits: dict[int, Fit]) -> None:
        """Writes fits that are under way, if it is time.

        Raises:
            OSError: if the first of all checkpoints cannot be written; a later one only warns.
        """
        if self.place is None or time.monotonic() - self._written < self.place.seconds:
            return
        first, self._written = self._written < 0, time.monotonic()
        try:
            self._write({i: _under_way(fit) for i, fit in fits.items()})
        except OSError as error:
            if first:
                raise
            warnings.warn(
                f"No checkpoint at step {len(next(iter(fits.values())).losses)}: {error}. "
                "Training goes on; the checkpoint before it stays.",
                stacklevel=3,
            )

    def stops(self, fits: dict[int, Fit]) -> bool:
        """Writes fits if it is time; did SIGTERM come, or Ctrl-C to one of several ranks?"""
        told = self.ranks.any(self.stopping, self.terminated)
        self.stopping, self.terminated = told
        if not self.stopping:
            self.offer(fits)
        return self.stopping

    def end(self, number: int, fit: Fit) -> None:
        """Writes a fit that came to its end.

        Raises:
            SaveError: if it cannot be written; its `fit` attribute holds the fit.
        """
        self.end_all({number: fit})

    def end_all(self, fits: dict[int, Fit]) -> None:
        """Writes fits that came to their ends together; see :meth:`end`."""
        self.ranks.decided(lambda: self._end_all(fits))

    def _end_all(self, fits: dict[int, Fit]) -> None:
        if self.place is None:
            return
        try:
            self._write(fits)
        except OSError as error:
            failure = SaveError(
                f"The fit ended but could not be written to {self.place.folder}: {error}. "
                "The checkpoint before it stays; make room and resume from there."
            )
            failure.fit = next(iter(fits.values()))
            raise failure from error
        if self.place.ended is not None:
            for fit in fits.values():
                self.place.ended(fit)

    def _write(self, fits: dict[int, Fit]) -> None:
        assert self.place is not None
        folder = Path(self.place.folder)
        if not (folder / RECORD).exists():
            self._write_record(folder)  # first, as tensors without a record cannot be loaded
        for number, fit in fits.items():
            self.records[number] = write_state(fit, folder)
        self._write_record(folder)

    def _write_record(self, folder: Path) -> None:
        content = {"replicas": self.records} if self.several else {"fit": self.records[0]}
        write_record(folder, content)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Lets SIGTERM end training at the end of the block; the handler before is put back.

        Only with a folder to write to, and in the main thread, which signals go to. Several ranks
        end at the same block, once one of them was told to, and so they do on Ctrl-C.
        """
        numbers = [signal.SIGTERM] * self.listens + [signal.SIGINT] * self.ranks.several
        main = threading.current_thread() is threading.main_thread()
        handlers = {number: signal.getsignal(number) for number in numbers if main}
        before = {n: h for n, h in handlers.items() if h not in (signal.SIG_IGN, None)}
        for number in before:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.terminated and before.get(signal.SIGTERM) is signal.SIG_DFL:
            raise SystemExit(TERMINATED)
        if self.terminated and signal.SIGTERM in before:
            signal.raise_signal(signal.SIGTERM)  # the program's own handler has its turn

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.stopping, self.terminated = True, self.terminated or number == signal.SIGTERM


def _under_way(fit: Fit) -> Fit:
    if fit.stopped != "finished":  # a replica that diverged
        return fit
    return replace(fit, stopped="unfinished")


def not_kept() -> Checkpointer:
    """For one fit that begins, and is written nowhere."""
    return Checkpointer(None, [None], [None], [False], several=False)
