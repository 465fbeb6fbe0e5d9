"""The public tier: the checks that students run themselves, on their own machine."""

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.homework.api import Check
from zoo.homework.calls import with_checked_results
from zoo.homework.cells import Ran, run_cells, run_file
from zoo.homework.hand_in import read_hand_in
from zoo.homework.shapes import WrongResult
from zoo.homework.sheets import Part, Sheet, find_sheet


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
    ran = run_cells(found.source, found.file)
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
        made += check(with_checked_results(part, function))
    except NotImplementedError:
        return Checked(part, begun=False)
    except WrongResult as wrong:
        error = str(wrong)
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
