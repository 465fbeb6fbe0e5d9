"""Errors for a name that is not in a table; they name a similar one, or list all."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The question "Did you mean 'vamp'?", with the most similar of the names; "" if none is."""
    near = get_close_matches(name.lower(), list(names), n=1)
    return f"Did you mean '{near[0]}'?" if near else ""


def unknown(kind: str, name: object, table: Iterable[str]) -> ValueError:
    """The error for the caller to raise: "No prior named 'vam'. Did you mean 'vamp'?".

    Args:
        kind: what the table holds.
        name: what was asked for.
        table: the names that exist.
    """
    names = list(table)
    if not isinstance(name, str):
        what = f"the class {name.__name__}" if isinstance(name, type) else type(name).__name__
        return ValueError(
            f"Expected the name of one {kind}, a string; got {what}. "
            f"There are: {', '.join(names)}."
        )
    hint = did_you_mean(name, names) or f"There are: {', '.join(names)}."
    return ValueError(f"No {kind} named '{name}'. {hint}")
