"""The answers to a wrong name in Python, where a command becomes a call."""

import shlex

from zoo.catalogue.answers import TABLES, answer, near_elsewhere
from zoo.catalogue.known import known

OF_LOAD = ("data", "prior", "likelihood", "decoder", "binarize", "latent", "groups")
OF_FIT = ("guide", "objective")


def said_of(kind: str, name: object, *, near: bool = True) -> str | None:
    """What a name is that no table of its kind has, and the call that takes it.

    Args:
        kind: what it was taken for.
        name: as it was given.
        near: ask also for names of other kinds that are like it.

    Returns:
        A sentence; None where nothing is known of the name.
    """
    if not isinstance(name, str) or not name or kind not in TABLES:
        return None
    tables = known()
    said = answer(kind, name, tables, as_call)
    return near_elsewhere(kind, name, tables, as_call) if said is None and near else said


def as_call(command: str) -> str:
    """A command of `zoo fit` as a call; with other options, the command itself.

    Args:
        command: e.g. "zoo fit vae --prior vamp --objective iwae".
    """
    zoo, fit, model, *words = shlex.split(command)
    options = {
        option.removeprefix("--"): value
        for option, value in zip(words[::2], words[1::2], strict=True)
    }
    others = set(options) - {*OF_LOAD, *OF_FIT, "metrics"}
    if (zoo, fit) != ("zoo", "fit") or others:
        return f"{command} (in a shell)"
    usual = known()["cards"]["model"][model]["usual"]["guide"]
    task = ", ".join([repr(model), *_written(options, OF_LOAD)])
    objective = _written(options, ("objective",))
    guide = repr(options.get("guide", usual))
    call = f"zoo.fit({', '.join([f'zoo.load({task})', guide, *objective])})"
    if "metrics" in options:
        return f"zoo.evaluate({call}, metrics={options['metrics'].split(',')!r})"
    return call


def _written(options: dict[str, str], names: tuple[str, ...]) -> list[str]:
    """Keyword arguments as Python has them."""
    return [f"{name}={_value(name, options[name])}" for name in names if name in options]


def _value(name: str, value: str) -> str:
    if name == "groups":
        return repr([int(part) for part in value.split(",")])
    return value if name == "latent" else repr(value)
