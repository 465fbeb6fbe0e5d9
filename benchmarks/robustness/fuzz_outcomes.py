"""What a call is, and what becomes of it: one of OUTCOMES.

It is refused where a line of the zoo raises one of the zoo's own errors. An exception is foreign
if it is neither that, nor what the user's own code raised, nor Python's for an unknown keyword.
"""

import contextlib
import io
import linecache
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import guides
import zoo
from benchmarks.robustness import fuzz_user_code
from zoo.compile.code_cache import CompileError

OUTCOMES = ("accepted", "refused", "signature", "own model", "foreign")
NAMED = (ValueError, zoo.CaptureError, zoo.DivergenceError, CompileError)
OURS = tuple(str(Path(package.__file__).parent) for package in (zoo, guides))


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        door: the function that is called.
        kind: what is wrong with it.
        said: the arguments in words.
        run: makes the call.
        raises: the class that the user's own model raises; None if it raises nothing.
    """

    door: str
    kind: str
    said: str
    run: Callable[[], object]
    raises: type[Exception] | None = None


class Refused(Exception):
    """The command line ended with status 2."""


def outcome(call: Call) -> tuple[str, Exception | None]:
    """What becomes of a call: one of OUTCOMES, and what it raised."""
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            tempfile.TemporaryDirectory() as folder,
            contextlib.chdir(folder),
        ):
            warnings.simplefilter("ignore")
            call.run()
    except Refused as error:
        return "refused", error
    except Exception as error:  # noqa: BLE001
        return _judged(call, error), error
    except SystemExit as error:
        return "foreign", RuntimeError(f"SystemExit({error.code})")
    return "accepted", None


def _judged(call: Call, error: Exception) -> str:
    frames = list(_frames(error.__traceback__))
    if call.raises is not None:
        return "own model" if type(error) is call.raises else "foreign"
    if any(_is_users(file, name) for file, name, _ in frames):
        return "own model"
    if _scores_data(error.__traceback__):
        return "own model"
    if isinstance(error, TypeError) and not frames:
        return "signature"
    file, _, line = frames[-1]
    by_hand = file.startswith(OURS) and linecache.getline(file, line).strip().startswith("raise")
    return "refused" if isinstance(error, NAMED) and by_hand else "foreign"


def _is_users(file: str, name: str) -> bool:
    """Is that a function of the user's own, by its file and its name?"""
    return file == fuzz_user_code.__file__ and name in fuzz_user_code.OWN


def _scores_data(trace: TracebackType | None) -> bool:
    """Did the model's own distribution refuse the data that the model observes?"""
    while trace is not None:
        site = trace.tb_frame.f_locals.get("site")
        if trace.tb_frame.f_code.co_name == "compute_log_prob" and site["is_observed"]:
            return True
        trace = trace.tb_next
    return False


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, str, int]]:
    """File, function and line of each frame, outermost first."""
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name != "outcome":
            yield code.co_filename, code.co_name, trace.tb_lineno
        trace = trace.tb_next
