"""What a comparison is between: guides and objectives by name, those of a user among them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from guides import GUIDES, guide_named
from zoo.checks.arguments import refusal, several
from zoo.objectives import OBJECTIVES, LossFunction, Objective, PyroELBO, as_objective
from zoo.pairing.guide_input import check_guide
from zoo.results.encoding import name_of

NAME = re.compile(r"[\w.,=()+ -]{1,80}")  # a run's folder is named by it


def named_guides(guides: object) -> dict[str, Callable]:
    """Name -> guide, in the order given.

    Args:
        guides: a list of names of ``guides.GUIDES``, classes, partials of them, built guides,
            AutoGuides or guide functions; or a mapping from names of your own to these.

    Raises:
        ValueError: for anything else, for two guides of one name, and for a name that no folder
            can have.
    """
    way = "Pass a list, e.g. ['mean_field', guides.FullRank], or {'my name': guide}."
    return _named("guides", guides, way, _guide, guide_label)


def named_objectives(objectives: object) -> dict[str, Objective]:
    """Name -> objective, in the order given.

    Args:
        objectives: a list of names of ``zoo.objectives.OBJECTIVES``, objectives, instances of
            Pyro's ELBOs or loss functions; or a mapping from names of your own to these.

    Raises:
        ValueError: as :func:`named_guides`.
    """
    way = "Pass a list, e.g. ['trace', zoo.objectives.IWAE(20)], or {'my name': objective}."
    return _named("objectives", objectives, way, as_objective, objective_label)


def _named(
    argument: str, given: object, way: str, build: Callable[[Any], Any], name: Callable[[Any], str]
) -> dict[str, Any]:
    if isinstance(given, Mapping):
        pairs = [(str(key), build(value)) for key, value in given.items()]
    else:
        pairs = [(name(value), build(value)) for value in several(argument, given, way)]
    if not pairs:
        raise refusal(argument, "a list with at least one member", given, way)
    for label, _ in pairs:
        if [other for other, _ in pairs].count(label) > 1:
            raise refusal(argument, "members of different names", f"two named '{label}'", way)
        if not NAME.fullmatch(label):
            raise refusal(
                argument, "names of letters, digits and . , = ( ) + - up to 80", label, way
            )
    return dict(pairs)


def _guide(value: Any) -> Callable:
    found = guide_named(value) if isinstance(value, str) else value
    check_guide(found)
    return found


def guide_label(value: Any) -> str:
    """The name of a guide: of the table, else of its class or function, with its settings."""
    if isinstance(value, str):
        return value
    ours = [name for name, family in GUIDES.items() if family is value]
    if ours:
        return ours[0]
    if isinstance(value, partial):
        settings = ",".join(f"{name}={brief(part)}" for name, part in value.keywords.items())
        return f"{name_of(value.func)}({settings})"
    return name_of(value)


def objective_label(value: Any) -> str:
    """The name of an objective: of the table, else of its class, with its settings."""
    if isinstance(value, str):
        return value
    found = as_objective(value)
    ours = [name for name, objective in OBJECTIVES.items() if objective == found]
    if ours:
        return ours[0]
    if isinstance(found, PyroELBO):
        return f"{name_of(value)}({value.num_particles})"
    if isinstance(found, LossFunction) or not is_dataclass(found):
        return name_of(value)
    settings = ",".join(f"{f.name}={brief(getattr(found, f.name))}" for f in fields(found))
    return f"{name_of(found)}({settings})"


def refuse_twins(names: Sequence[str]) -> None:
    """Refuses names of runs of which two are the same.

    Raises:
        ValueError: if guide and objective, joined, give the name of another pair.
    """
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin is not None:
        raise ValueError(
            f"Two runs would have the name '{twin}', and one folder. Name guides and objectives "
            "otherwise, e.g. without '-'."
        )


def brief(value: object) -> str:
    """A setting as it may stand in the name of a folder."""
    if callable(value):
        return name_of(value)
    return re.sub(r"[^\w.,()+-]", "", str(value).replace(" ", ""))
