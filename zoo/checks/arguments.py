"""Checks of arguments: each returns the value as the zoo uses it, or raises a ValueError.

All errors have one form:

    Expected steps to be a whole number above 0; got 'ten'. Pass e.g. steps=1000.

Every public function and the command line pass their arguments through these checks, so that the
same mistake gets the same sentence everywhere. Numbers of numpy count as numbers; booleans,
tensors and text do not.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

from zoo.catalogue.python import said_of
from zoo.checks.shown import shown
from zoo.errors import unknown

LARGEST = 10**9  # a count above it is a typing error, or a run that never ends
MANY = 10**7  # the most draws that are held in memory together
LARGEST_SEED = 2**32 - 1

Value = TypeVar("Value")


def refusal(name: str, wanted: str, got: object, way: str) -> ValueError:
    """The error for an argument, which the caller raises.

    Args:
        name: of the argument.
        wanted: what it was expected to be.
        got: what was passed.
        way: how to mend it, a sentence.
    """
    return ValueError(f"Expected {name} to be {wanted}; got {shown(got)}. {way}")


def whole(
    name: str, value: object, *, least: int = 1, most: int = LARGEST, way: str | None = None
) -> int:
    """A whole number from `least` to `most`.

    Args:
        name: of the argument.
        value: what was passed.
        least: the smallest number that is allowed.
        most: the largest number that is allowed.
        way: how to mend it, a sentence; default: an example.

    Raises:
        ValueError: for anything else, True and 3.0 included.
    """
    found = None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)
    wanted = "a whole number above 0" if least == 1 else f"a whole number of at least {least}"
    if most < MANY or (found is not None and found > most):
        wanted = f"a whole number from {least} to {most}"
    if found is None or not least <= found <= most:
        raise refusal(name, wanted, value, way or f"Pass e.g. {name}={max(least, min(10, most))}.")
    return found


def number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    way: str | None = None,
) -> float:
    """The value as a finite float within the limits.

    Args:
        name: of the argument.
        value: what was passed.
        above: it must be larger than that.
        least: it must not be smaller.
        below: it must be smaller than that.
        most: it must not be larger.
        way: how to mend it, a sentence; default: an example.

    Raises:
        ValueError: for anything else, nan and infinity included.
    """
    found = _as_float(value)
    inside = (
        math.isfinite(found)
        and (above is None or found > above)
        and (least is None or found >= least)
        and (below is None or found < below)
        and (most is None or found <= most)
    )
    if not inside:
        wanted = _range(above, least, below, most)
        raise refusal(
            name, wanted, value, way or f"Pass e.g. {name}={_example(above, least, below)}."
        )
    return found


def _as_float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _range(
    above: float | None, least: float | None, below: float | None, most: float | None
) -> str:
    limits = {"above": above, "of at least": least, "below": below, "of at most": most}
    given = [f"{words} {limit:g}" for words, limit in limits.items() if limit is not None]
    return f"a finite number {' and '.join(given)}".rstrip()


def _example(above: float | None, least: float | None, below: float | None) -> float:
    lower = least if above is None else above
    if lower is None:
        return 0.5
    return lower + 1.0 if below is None else (lower + below) / 2


def flag(name: str, value: object) -> bool:
    """True or False.

    Raises:
        ValueError: for anything else, 1 and 'yes' included.
    """
    import numpy as np

    if not isinstance(value, (bool, np.bool_)):
        raise refusal(name, "True or False", value, f"Pass {name}=True or {name}=False.")
    return bool(value)


def one_of(name: str, value: object, allowed: Iterable[Value]) -> Value:
    """The allowed value that this one equals; True does not equal 1 here.

    Raises:
        ValueError: for any other value.
    """
    choices = list(allowed)
    for choice in choices:
        if isinstance(value, type(choice)) and value == choice:
            return choice
    listed = ", ".join(repr(choice) for choice in choices)
    raise refusal(name, f"one of {listed}", value, f"Pass e.g. {name}={choices[0]!r}.")


def look_up(kind: str, name: object, table: Mapping[str, Value]) -> Value:
    """What a table holds under a name.

    Raises:
        ValueError: for a name that is not in the table; it gives a similar name, or all names,
            and says of a name of another kind what it is.
    """
    if not isinstance(name, str) or name not in table:
        said = None if _is_respelled(name, table) else said_of(kind, name)
        raise unknown(kind, name, table) if said is None else ValueError(said)
    return table[name]


def _is_respelled(name: object, table: Mapping[str, Value]) -> bool:
    """Is it a name of the table but for hyphens and underscores?"""
    plain = str(name).replace("-", "").replace("_", "")
    return plain in {one.replace("_", "") for one in table}


def instance(name: str, value: Value, kind: type, way: str) -> Value:
    """The value, an object of the class `kind`.

    Raises:
        ValueError: for anything else, the class itself included.
    """
    if not isinstance(value, kind):
        raise refusal(name, f"of class {kind.__name__}", value, way)
    return value


def function(name: str, value: object, way: str) -> Callable[..., Any]:
    """The value, something to call that is no class.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, type) or not callable(value):
        raise refusal(name, "a function", value, way)
    return value


def several(name: str, value: object, way: str) -> list[Any]:
    """The members of a list, a tuple or another collection that is not empty.

    Raises:
        ValueError: for anything else; text and arrays are no collections here.
    """
    import numpy as np
    from torch import Tensor

    single = isinstance(value, (str, bytes, Tensor, np.ndarray))
    if single or isinstance(value, type) or not isinstance(value, Iterable):
        raise refusal(name, "a list", value, way)
    found = list(value)
    if not found:
        raise refusal(name, "a list with at least one member", value, way)
    return found


def place(name: str, value: object) -> Path:
    """The path of a file or a folder, which may be given as text.

    Raises:
        ValueError: for anything else, and for an empty text.
    """
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(given, str) or not given or "\0" in given:
        raise refusal(name, "a path", value, f"Pass e.g. {name}='runs/first'.")
    return Path(given)


def device_written(value: object) -> str:
    """The name of a device: auto, cpu, or cuda, with a number after a colon if one is meant.

    Raises:
        ValueError: for anything else; whether the device is there is not asked here.
    """
    kind, _, index = value.partition(":") if isinstance(value, str) else ("", "", "")
    numbered = kind in ("cpu", "cuda") and index.isdecimal()
    if not isinstance(value, str) or not (numbered or value in ("auto", "cpu", "cuda")):
        raise refusal("device", "'auto', 'cpu' or 'cuda'", value, "Pass device='auto'.")
    return value


def seed_given(value: object, *, count: int = 1, name: str = "seed") -> int:
    """The first of `count` seeds that follow each other.

    Raises:
        ValueError: if they are not all whole numbers from 0 to 2^32 - 1.
    """
    return whole(name, value, least=0, most=LARGEST_SEED - count + 1, way=f"Pass e.g. {name}=0.")


def keep_whole(
    record: object, *names: str, least: int = 1, most: int = MANY, way: str | None = None
) -> None:
    """Checks fields of a frozen dataclass, and replaces each by the same number as an int.

    Raises:
        ValueError: as :func:`whole` does.
    """
    for name in names:
        value = whole(name, getattr(record, name), least=least, most=most, way=way)
        object.__setattr__(record, name, value)


def keep_number(
    record: object,
    *names: str,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    way: str | None = None,
) -> None:
    """Checks fields of a frozen dataclass, and replaces each by the same number as a float.

    Raises:
        ValueError: as :func:`number` does.
    """
    for name in names:
        value = number(
            name, getattr(record, name), above=above, least=least, below=below, most=most, way=way
        )
        object.__setattr__(record, name, value)


def keep_wholes(record: object, name: str, *, least: int = 1, way: str) -> None:
    """Checks a field of a frozen dataclass that lists whole numbers, and makes it a tuple.

    Raises:
        ValueError: for anything else.
    """
    values = several(name, getattr(record, name), way)
    found = tuple(whole(f"each of {name}", value, least=least, way=way) for value in values)
    object.__setattr__(record, name, found)
