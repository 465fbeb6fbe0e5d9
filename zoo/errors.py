"""Errors that several packages raise: for a name that is in no table, for a missing package."""

import sys
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


def unknown_data(name: object, names: Iterable[str]) -> ValueError:
    """The error for a data set that does not exist; all of them are few enough to be listed."""
    listed = list(names)
    hint = did_you_mean(str(name), listed) or "Choose one of these."
    return ValueError(f"Expected a data set among {', '.join(listed)}; got {name!r}. {hint}")


def unknown_metric(name: str, metrics: Iterable[str], groups: Iterable[str]) -> ValueError:
    """The error for a metric that does not exist; it lists the groups and the metrics."""
    metrics, groups = list(metrics), list(groups)
    meant = did_you_mean(name, (*metrics, *groups))
    return ValueError(
        f"No metric named '{name}'. {meant} ".replace("  ", " ")
        + f"There are the groups {', '.join(groups)}; the metrics {', '.join(metrics)}; "
        "and iwae_K for any K."
    )


def not_installed(what: str, package: str) -> ValueError:
    """The error for a package that only some uses of the zoo need.

    Args:
        what: needs it, the beginning of a sentence.
        package: as pip knows it.
    """
    return ValueError(
        f"{what} needs the package {package}, which is not installed. "
        f"Run: {sys.executable} -m pip install '{package}'"
    )
