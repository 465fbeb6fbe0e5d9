"""Why a step cannot be captured: what the tracer raised, and at which line of the user's code."""

import traceback
from pathlib import Path
from traceback import FrameSummary

import pyro
import torch

FILES = (str(torch.__file__), str(pyro.__file__), traceback.__file__)
OWN = (*(str(Path(file).parent) for file in FILES), str(Path(__file__).parents[1]), "<frozen")
VALUE_WAS_READ = ("_local_scalar_dense", "data-dependent")  # words of torch's errors


def why_not_traced(error: Exception) -> str:
    """What stopped the tracer, with the line of code where that is known.

    Args:
        error: what the tracer raised.
    """
    said = next((line for line in str(error).splitlines() if line.strip()), "")
    place = place_of(error)
    where = "" if place is None else f" It happens at {place}."
    if isinstance(error, OSError):
        return f"a file cannot be read or written: {error}."
    if not any(word in str(error) for word in VALUE_WAS_READ):
        return f"{type(error).__name__}: {said}{where}"
    return (
        f"the values of a tensor are read.{where} The likely cause is control flow that depends "
        "on data, such as .item() or `if` on a tensor, or a function that lays data out by their "
        "values, such as pack_padded_sequence."
    )


def place_of(error: BaseException) -> str | None:
    """The innermost line of the user's code on the way to an error; None if there is none.

    The user's code is all that lies outside of Python's library, torch, Pyro and the zoo. An error
    that was raised from another one is placed where that one arose.
    """
    if error.__cause__ is not None:
        found = place_of(error.__cause__)
        if found is not None:
            return found
    frames = traceback.extract_tb(error.__traceback__)
    return next((_said(frame) for frame in reversed(frames) if _foreign(frame)), None)


def _foreign(frame: FrameSummary) -> bool:
    return not frame.filename.startswith(OWN)


def _said(frame: FrameSummary) -> str:
    code = f": `{frame.line}`" if frame.line else ""
    return f"line {frame.lineno} of {Path(frame.filename).name}, in {frame.name}{code}"
