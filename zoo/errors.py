"""The error for a name that is not in a table: it says which is near, or which there are."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, name: object, table: Iterable[str]) -> ValueError:
    """For the caller to raise: "No prior named 'vam'. Did you mean 'vamp'?".

    Args:
        kind: what the table holds.
        name: what was asked for.
        table: the names that there are.
    """
    names = list(table)
    if not isinstance(name, str):
        what = f"the class {name.__name__}" if isinstance(name, type) else type(name).__name__
        return ValueError(
            f"Expected the name of one {kind}, a string; got {what}. "
            f"There are: {', '.join(names)}."
        )
    near = get_close_matches(name.lower(), names, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(names)}."
    return ValueError(f"No {kind} named '{name}'. {hint}")
