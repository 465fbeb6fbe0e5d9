"""What the command line knows without torch: the names of all tables, and what `zoo list` shows.

It is read from `names.json` beside this file. After a name is added or changed anywhere, the file
is written anew by `python -m zoo.cli.names`; a test holds it to the tables.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from zoo.errors import unknown, unknown_data, unknown_metric

PATH = Path(__file__).with_name("names.json")
BOUND = re.compile(r"iwae_[1-9]\d*")  # a metric for every number of particles


@cache
def known() -> dict[str, Any]:
    """What the file holds, by the keys that :func:`zoo.cli.pairs.all_names` describes."""
    return json.loads(PATH.read_text())


def check(kind: str, *names: str | None) -> None:
    """Refuses a name that no table holds, as the zoo itself would after torch is imported.

    Args:
        kind: model, guide, objective, prior, likelihood or decoder.
        *names: what was asked for; None for what is usual.

    Raises:
        ValueError: for the first unknown name, with a near one or all of them.
    """
    table = known()[kind]
    for name in names:
        if name is not None and name not in table:
            raise unknown(kind, name, table)


def check_data(name: str | None) -> None:
    """The same for a data set.

    Raises:
        ValueError: for an unknown name.
    """
    if name is not None and name not in known()["data"]:
        raise unknown_data(name, known()["data"])


def check_metrics(names: Iterable[str]) -> None:
    """The same for metrics and their groups; NAME/SITE is a metric too.

    Raises:
        ValueError: for the first unknown name.
    """
    metrics, groups = known()["metric"], known()["metric group"]
    for name in names:
        whole = name in groups or name.split("/")[0] in metrics or BOUND.fullmatch(name)
        if not whole:
            raise unknown_metric(name, metrics, groups)


def as_text(found: dict[str, Any]) -> str:
    """JSON with a list of names or numbers on one line."""
    text = json.dumps(found, indent=1)
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"


if __name__ == "__main__":
    from zoo.cli.pairs import all_names

    PATH.write_text(as_text(all_names()))
