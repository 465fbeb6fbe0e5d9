"""What the command line knows without torch: the names of all tables, and what `zoo list` shows.

It is read from `zoo/catalogue/names.json`. After a name is added or changed anywhere, the file
is written anew by `python -m zoo.cli.names`; a test holds it to the tables.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.catalogue.answers import TABLES, answer, kinds_of, listed, near_elsewhere
from zoo.catalogue.known import PATH, known
from zoo.errors import unknown, unknown_data, unknown_metric

BOUND = re.compile(r"iwae_[1-9]\d*")  # a metric for every number of particles


def check(kind: str, *names: str | None) -> None:
    """Refuses a name that its table does not hold, as the zoo itself would after it loads torch.

    A name of another kind, or one of lectures and papers, is told what it is and what to type.

    Args:
        kind: model, guide, objective, prior, likelihood or decoder.
        *names: what was asked for; None for what is usual.

    Raises:
        ValueError: for the first unknown name, with what it is, a near one, or all of them.
    """
    table = known()[kind]
    for name in names:
        if name is not None and name not in table:
            said = answer(kind, name, known()) or near_elsewhere(kind, name, known())
            raise unknown(kind, name, table) if said is None else ValueError(said)


def check_data(name: str | None) -> None:
    """The same for a data set.

    Raises:
        ValueError: for an unknown name.
    """
    if name is not None and name not in known()["data"]:
        said = answer("data", name, known())
        raise unknown_data(name, known()["data"]) if said is None else ValueError(said)


def check_metrics(names: Iterable[str]) -> None:
    """The same for metrics and their groups; NAME/SITE is a metric too.

    Raises:
        ValueError: for the first unknown name.
    """
    metrics, groups = known()["metric"], known()["metric group"]
    for name in names:
        whole = name in groups or name.split("/")[0] in metrics or BOUND.fullmatch(name)
        if not whole:
            said = answer("metric", name, known())
            raise unknown_metric(name, metrics, groups) if said is None else ValueError(said)


def check_goes_together(model: str, guide: str | None, objective: str | None) -> None:
    """Refuses a guide under the usual objective, or an objective under the usual guide.

    It knows the model on its usual data and with its usual parts only; what else does not go
    together is refused when the model is described.

    Args:
        model: its name.
        guide: as given; None for the usual one.
        objective: as given; None for the usual one.

    Raises:
        ValueError: with the reason, and names that fit.
    """
    card = known()["cards"]["model"][model]
    usual = card["usual"]
    for kind, name, other in (("guide", guide, objective), ("objective", objective, guide)):
        given = "objective" if kind == "guide" else "guide"
        if name is None or other not in (None, usual[given]):
            continue
        for one in card[f"refused {kind}s"]:
            if name in one["names"]:
                fits = f"{kind.capitalize()}s that fit: {listed(card[f'fitting {kind}s'])}."
                raise ValueError(f"{name} does not go with {model}. {one['why']} {fits}")


def check_folder(path: Path) -> None:
    """Refuses a folder that is not there; the name of a model is told how it gets one.

    Raises:
        ValueError: with what to type.
    """
    kinds = [] if path.exists() else kinds_of(str(path), known())
    if kinds:
        name = known()["cards"].get(kinds[0], {}).get(str(path), {}).get("model", "vae")
        model = str(path) if kinds[0] == "model" else name
        raise ValueError(
            f"{path} is {TABLES[kinds[0]]}, and no folder of a fit. Train one first: "
            f"zoo fit {model} --out runs/{model}; zoo evaluate runs/{model}. Fits that come with "
            "the zoo: zoo list --pretrained"
        )


def as_text(found: Any) -> str:
    """JSON, with each list of names or numbers on one line."""
    return f"{_lines(found, '')}\n"


def _lines(value: Any, indent: str) -> str:
    inner = indent + " "
    if isinstance(value, dict) and value:
        parts = [f"{inner}{json.dumps(k)}: {_lines(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        return "[\n" + ",\n".join(inner + _lines(one, inner) for one in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    from zoo.cli.pairs import all_names

    PATH.write_text(as_text(all_names()), encoding="utf-8")
