"""What is said of a name, a command or an option that does not exist where it was given.

All tables are asked: a name of another kind is told what it is, and the command that takes it.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any

from zoo.catalogue.aliases import ALIASES, AS_MODELS, Alias
from zoo.errors import did_you_mean

Known = Mapping[str, Any]

NEAR = 0.75  # from which likeness on a name of another kind is taken for the one that was meant
MORE = 0.12  # by which it must be more like that name than like any of its own kind
TABLES = {  # kind -> how a name of it is introduced
    "model": "a model",
    "guide": "a guide",
    "objective": "an objective",
    "data": "a data set",
    "prior": "a prior of VAEs",
    "likelihood": "a likelihood of VAEs",
    "decoder": "a decoder of VAEs",
    "metric": "a metric",
    "metric group": "a group of metrics",
}


def written(name: str) -> str:
    """A name as the tables write it: small letters, with underscores."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def kinds_of(name: str, known: Known) -> list[str]:
    """The kinds of things that have this name."""
    return [kind for kind in TABLES if name in known[kind]]


def alias_of(name: str) -> Alias | None:
    """What a name of lectures or papers stands for; None if it is not known."""
    return ALIASES.get(written(name))


def meant(name: str, objective: str | None, known: Known) -> tuple[str, str] | None:
    """Model and objective where an objective's name stands for a model, as "wae" may.

    Args:
        name: what was given for a model.
        objective: what was given for an objective besides; None for nothing.
        known: the tables.

    Returns:
        None where the name is a model's, or means no one pair, or another objective was given.
    """
    found, own = alias_of(name), written(name)
    if found is not None and found.kind == "objective":
        own = found.name
    if name in known["model"] or own not in AS_MODELS or objective not in (None, "", own):
        return None
    return AS_MODELS[own], own


def answer(kind: str, name: str, known: Known, say: Callable[[str], str] = str) -> str | None:
    """What a name is that was given for one of another kind; None where no table has it.

    Args:
        kind: what it was taken for.
        name: as it was given.
        known: the tables.
        say: how a command is written, in a shell or in Python.
    """
    others = [other for other in kinds_of(written(name), known) if other != kind]
    found = alias_of(name)
    if found is not None and (found.kind == kind or not others):
        called = f", called '{found.name}' here" if found.name else ""
        return f"{name} is {found.says}{called}. Try: {say(found.command)}"
    if not others:
        return _of_class(name, known, say)
    command = say(command_for(others[0], written(name), known))
    return f"{name} is {TABLES[others[0]]}, not {TABLES[kind]}: {command}"


def _of_class(name: str, known: Known, say: Callable[[str], str]) -> str | None:
    found = class_named(name, known)
    if found is None:
        return None
    kind, own = found
    command = say(command_for(kind, own, known))
    return f"{name} is the class of the {kind} '{own}'. Try: {command}"


def class_named(name: str, known: Known) -> tuple[str, str] | None:
    """The kind and the name of what has this class, such as guides.AmortisedIAF; None without.

    Of several names of one class it is the one that has the class's own settings.
    """
    wanted = name.strip().rpartition(".")[2].lower()
    for kind in ("guide", "objective"):
        found = {
            own: card["settings"]
            for own, card in known["cards"][kind].items()
            if card["class"].rpartition(".")[2].lower() == wanted
        }
        if found:
            return kind, min(found, key=lambda own: bool(found[own]))
    return None


def near_elsewhere(
    kind: str, name: str, known: Known, say: Callable[[str], str] = str
) -> str | None:
    """The answer to a name that is more like one of another kind than like any of its own."""
    tables = {other: known[other] for other in TABLES if other != kind}
    found = {other: _nearest_of(name, table) for other, table in tables.items()}
    other = max(found, key=lambda kind: found[kind][0])
    (likeness, near), alias = found[other], _nearest_of(name, ALIASES)
    if alias[0] >= likeness:
        (likeness, near), other = alias, ""
    if likeness < NEAR or likeness < _nearest_of(name, known[kind])[0] + MORE:
        return None
    what = f"'{near}', {TABLES[other]}" if other else f"'{near}'"
    command = command_for(other, near, known) if other else ALIASES[near].command
    return f"No {kind} named '{name}'. Did you mean {what}? Try: {say(command)}"


def _nearest_of(name: str, table: Iterable[str]) -> tuple[float, str]:
    """The name that is most like this one, and how like it is, from 0 to 1."""
    return max((SequenceMatcher(None, written(name), one).ratio(), one) for one in table)


def command_for(kind: str, name: str, known: Known) -> str:
    """A command that takes a name of that kind."""
    if kind == "model":
        return f"zoo fit {name}"
    if kind in ("metric", "metric group"):
        return f"zoo fit vae --metrics {name}"
    if kind in ("prior", "likelihood", "decoder"):
        return f"zoo fit vae --{kind} {name}"
    card = known["cards"][kind][name]
    return f"zoo fit {card['model']}{card.get('options', '')} --{kind} {name}"


def nearest(name: str, known: Known) -> str:
    """The question "Did you mean 'trace'?" over all tables, or where all names are listed."""
    names = {each: kind for kind in TABLES for each in known[kind]}
    hint = did_you_mean(written(name), [*names, *ALIASES])
    return hint or "`zoo list` shows all names."


def any_name(name: str, known: Known) -> list[str]:
    """The kinds of a name that may be of any; see :func:`kinds_of`.

    Raises:
        ValueError: if no table has it.
    """
    found = kinds_of(written(name), known)
    if not found and alias_of(name) is None and class_named(name, known) is None:
        raise ValueError(f"Nothing is named '{name}'. {nearest(name, known)}")
    return found


def listed(names: Iterable[str], most: int = 8) -> str:
    """The first names of several, and how many more there are."""
    given = list(names)
    more = f" and {len(given) - most} more" if len(given) > most else ""
    return ", ".join(given[:most]) + more
