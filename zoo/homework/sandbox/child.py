"""The student's process: contained, it runs the file and writes the function's results."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from zoo.homework.calls import NO_MEMORY, Call, Reply, missing, replies
from zoo.homework.cells import run_cells
from zoo.homework.sandbox import wire
from zoo.homework.sandbox.contain import die_with_parent, give_up_rights, set_limits
from zoo.homework.sandbox.limits import Limits
from zoo.homework.sheets import Part

REFUSED = 97  # exit status where the kernel could not contain the process


def run_part(job: Path, folder: Path, limits: Limits, *, contained: bool) -> None:
    """Runs one part in this process and ends it.

    Everything that the grader wrote is read before the student's file is run, and nothing of the
    job but its own folder can be reached after that.

    Args:
        job: folder with the request, the student's file and the driver.
        folder: that the student's code may write to; the present one while it runs.
        limits: of this process.
        contained: give up all rights? Else only the limits hold.
    """
    try:
        result = os.open(job / "results", os.O_WRONLY)
        part, calls = wire.read_request(job)
        source, driver = ((job / name).read_text() for name in ("homework.py", "driver.py"))
        os.chdir(folder)
        os.environ |= dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), str(folder))
        tempfile.tempdir = str(folder)
        _close_others(result)
        if contained:
            die_with_parent()
        set_limits(limits)
        if contained:
            give_up_rights(folder)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(REFUSED)
    sys.path.insert(0, str(folder))
    _write(result, wire.encoded, lambda: _reply(source, driver, part, calls))
    os._exit(0)


def _reply(source: str, driver: str, part: Part, calls: list[Call]) -> Reply:
    around = run_cells(driver, "driver.py").names.get(f"run_{part.name}")
    ran = run_cells(source, "homework.py")
    function = ran.names.get(part.function)
    if function is None:
        return missing(part, ran.errors)
    return replies(part, function, around, calls)


def _write(result: int, encode: Callable[[Reply], bytes], run: Callable[[], Reply]) -> None:
    own = os.getpid()
    try:
        content = encode(run())
    except MemoryError:
        content = encode(Reply("out of memory", NO_MEMORY))
    except BaseException as error:  # also SystemExit, which ends the part
        content = encode(Reply("raised", f"{type(error).__name__}: {error}"[:500]))
    if os.getpid() != own:
        os._exit(0)  # a copy that the student's code made by a fork
    view = memoryview(content)
    while view:
        view = view[os.write(result, view) :]


def _close_others(kept: int) -> None:
    """Closes every file but standard input, output and error, and the one for the results."""
    os.closerange(3, kept)
    os.closerange(kept + 1, 4096)
