"""Values as the sentence of an error shows them."""

LONGEST_TEXT = 60
MOST_BITS = 200
MOST_MEMBERS = 4
PLAIN = (type(None), bool, int, float, complex, str, bytes)


def shown(value: object) -> str:
    """A value in few words.

    The ``repr`` of an object of the user's own is never called: it may be long, or fail.
    """
    if type(value) not in PLAIN and (array := _array(value)):
        return array
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, PLAIN):
        return _short(repr(value))
    if type(value) in (list, tuple):
        return _members(value)  # type: ignore[arg-type]
    return _named(value)


def _array(value: object) -> str:
    """A tensor by its shape, an array of numpy too, a number of numpy by its value; else ""."""
    import numpy as np
    from torch import Tensor

    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and type {value.dtype}"
    if isinstance(value, np.ndarray):
        return f"a numpy array of shape {value.shape} and type {value.dtype}"
    return shown(value.item()) if isinstance(value, np.generic) else ""


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."


def _members(values: list | tuple) -> str:
    """The first members in brackets, as Python writes a list or a tuple."""
    inside = ", ".join(shown(value) for value in values[:MOST_MEMBERS])
    inside += ", ..." if len(values) > MOST_MEMBERS else ""
    if isinstance(values, list):
        return f"[{inside}]"
    return f"({inside},)" if len(values) == 1 else f"({inside})"


def _named(value: object) -> str:
    """The name of a function; for any other object that of its class."""
    name = getattr(value, "__name__", None)
    if callable(value) and isinstance(name, str):
        return f"the function {name}"
    return f"an object of class {type(value).__name__}"
