"""Calls of a student's function, and how they are run: by the child process, or in this one."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from zoo.homework.cells import run_cells
from zoo.homework.shapes import WrongResult, as_tensor, checked_results, named_results, sizes_of
from zoo.homework.sheets import Part

Outcome = Literal[
    "ok",
    "wrong",
    "raised",
    "not begun",
    "unreadable",
    "timed out",
    "out of memory",
    "killed",
]
NO_MEMORY = "The memory that a part may take was used up."
Inputs = dict[str, Any]
Results = dict[str, Tensor]


@dataclass(frozen=True)
class Call:
    """One call of the student's function.

    Attributes:
        inputs: arguments by name: tensors, and what JSON can say.
        dtype: of the floating-point inputs, and the default within the call.
        seed: of the random numbers that the function draws itself.
    """

    inputs: Inputs
    dtype: torch.dtype
    seed: int


@dataclass(frozen=True)
class Reply:
    """What came of the calls of one part.

    Attributes:
        outcome: "ok" if there are results; they may still be wrong.
        detail: a sentence on what went wrong; "" for nothing.
        results: of each call.
    """

    outcome: Outcome
    detail: str = ""
    results: list[Results] = field(default_factory=list)


Runner = Callable[[Part, Sequence[Call]], Reply]


def run_in_process(source: str, driver: str) -> Runner:
    """A runner that calls the functions of a trusted file in this process.

    Args:
        source: the file's text.
        driver: the text of the sheet's driver.py, or "".
    """
    ran = run_cells(source, "homework.py")
    around = run_cells(driver, "driver.py").names

    def run(part: Part, calls: Sequence[Call]) -> Reply:
        function = ran.names.get(part.function)
        if function is None:
            return missing(part, ran.errors)
        return replies(part, function, around.get(f"run_{part.name}"), calls)

    return run


def missing(part: Part, errors: Sequence[str]) -> Reply:
    """The reply where the file does not define the part's function."""
    why = f" These cells raised: {'; '.join(errors[:3])}" if errors else ""
    return Reply("raised", f"There is no function '{part.function}' in the file.{why}")


def replies(
    part: Part,
    function: Callable[..., Any],
    driver: Callable[..., Any] | None,
    calls: Sequence[Call],
) -> Reply:
    """Calls a function, within its driver if there is one; any exception ends it.

    Args:
        part: which part it is.
        function: the student's.
        driver: `run_PART` of driver.py.
        calls: what to call it with.
    """
    checked = with_checked_results(part, function)
    try:
        return Reply("ok", results=[_run(part, checked, driver, call) for call in calls])
    except WrongResult as error:
        return Reply("wrong", str(error))
    except NotImplementedError:
        return Reply("not begun", "This part was not begun.")
    except MemoryError:
        return Reply("out of memory", NO_MEMORY)
    except Exception as error:
        if _no_memory(error):
            return Reply("out of memory", NO_MEMORY)
        said = " ".join(str(error).split())[:500]
        return Reply("raised", f"{type(error).__name__}: {said}")


def _no_memory(error: Exception) -> bool:
    """Is it the RuntimeError that torch raises where no more memory is to be had?"""
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _run(
    part: Part, function: Callable[..., Any], driver: Callable[..., Any] | None, call: Call
) -> Results:
    before = torch.get_default_dtype()
    torch.set_default_dtype(call.dtype)
    torch.manual_seed(call.seed)
    try:
        with torch.enable_grad():
            inputs = copied(call.inputs)
            value = function(**inputs) if driver is None else driver(function, **inputs)
    finally:
        torch.set_default_dtype(before)
    named = value if isinstance(value, dict) else named_results(part.returns, value)
    return {name: as_tensor(name, one).detach().clone() for name, one in named.items()}


def copied(inputs: Mapping[str, Any]) -> Inputs:
    """The inputs with tensors of their own, which a function may change."""
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else value
        for name, value in inputs.items()
    }


def with_checked_results(part: Part, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its results checked, in a tuple in the order of `returns`, or alone."""
    names = list(part.arguments)

    def checked(*values: Any, **named: Any) -> Any:
        given = dict(zip(names, values, strict=False)) | named
        sizes = sizes_of(part.arguments, given)
        results = checked_results(part.returns, sizes, function(*values, **named))
        found = tuple(results.values())
        return found[0] if len(found) == 1 else found

    if inspect.isroutine(function):
        checked.__doc__ = function.__doc__
    return checked
