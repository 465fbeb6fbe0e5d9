"""The public tier: the checks that students run themselves, on their own machine."""

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from zoo.homework.api import Check
from zoo.homework.calls import with_checked_results
from zoo.homework.cells import Ran, run_cells, run_file
from zoo.homework.hand_in import Unreadable, read_hand_in
from zoo.homework.shapes import WrongResult
from zoo.homework.sheets import Part, Sheet, find_sheet

SECONDS_TO_LOAD, TIMES = 120.0, 3.0  # for the file itself; the part's seconds that checks may take


class TooLong(BaseException):
    """Checks took longer than they may; no `except Exception` of a student's holds it back."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Ends what runs in it after that time, where the system has such timers (not Windows).

    Raises:
        TooLong: naming the limit.
    """
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong(f"Stopped after {seconds:g} seconds. Is there a loop that does not end?")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Checked:
    """What the checks of one part say.

    Attributes:
        part: which.
        begun: is there a function other than the starter's?
        checks: those that were made.
        error: what the function raised; "" for nothing.
        seconds: that the checks took.
    """

    part: Part
    begun: bool
    checks: tuple[Check, ...] = ()
    error: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Do all checks pass?"""
        return self.begun and not self.error and all(check.passed for check in self.checks)


def check_folder(folder: Path, sheet: Sheet) -> Iterator[Checked]:
    """Runs the public checks of each part on what is in a folder.

    Args:
        folder: of the student.
        sheet: that it is of.

    Raises:
        Unreadable: for a folder without a file that can be graded.
    """
    found = read_hand_in(folder, sheet.text("starter.py"))
    try:
        with at_most(SECONDS_TO_LOAD):
            ran = run_cells(found.source, found.file)
    except TooLong as late:
        raise Unreadable(f"{found.file} itself, not a part: {late}") from late
    public = run_file(sheet.folder / "public.py")
    for part in sheet.programmed:
        yield _checked(part, ran, public[f"check_{part.name}"])


def _checked(part: Part, ran: Ran, check: object) -> Checked:
    assert callable(check)
    function, begun, made = ran.names.get(part.function), time.perf_counter(), list[Check]()
    if function is None:
        why = f" A cell raised {ran.errors[0]}" if ran.errors else ""
        return Checked(part, begun=True, error=f"There is no function '{part.function}'.{why}")
    error = ""
    try:
        with at_most(TIMES * part.seconds):
            made += check(with_checked_results(part, function))
    except NotImplementedError:
        return Checked(part, begun=False)
    except WrongResult as wrong:
        error = str(wrong)
    except TooLong as late:
        error = str(late)
    except (Exception, SystemExit) as raised:
        error = f"{type(raised).__name__}: {' '.join(str(raised).split())}{_where(raised)}"
    seconds = time.perf_counter() - begun
    return Checked(part, begun=True, checks=tuple(made), error=error, seconds=seconds)


def _where(error: BaseException) -> str:
    """The last line of the student's file that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith("homework.")]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def assert_passes(sheet: str, part: str, function: Callable[..., object]) -> None:
    """Runs the public checks of a part on a function, for the tests of other graders.

    Args:
        sheet: its name.
        part: its name.
        function: the student's.

    Raises:
        AssertionError: naming the concept that fails, with its hint.
    """
    found = find_sheet(sheet)
    public = run_file(found.folder / "public.py")[f"check_{part}"]
    for check in public(with_checked_results(found.part(part), function)):
        assert check.passed, f"{check.concept}: {check.hint}"
