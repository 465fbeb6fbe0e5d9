"""Settings as JSON and back: plain values, the zoo's dataclasses, and Pyro's ELBOs by name."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from importlib import import_module
from typing import Any

import pyro.infer
from pyro.infer import ELBO

from zoo import objectives
from zoo.latents import Family
from zoo.optim import schedules
from zoo.optim.update import Update
from zoo.results.result import Settings

GUIDES = "guides"  # the only package a saved guide is looked up in
OWN = "own"  # the key of what JSON cannot hold


def encode(value: object) -> object:
    """A value as JSON; what JSON cannot hold becomes {"own": its name}, and is passed again."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [encode(part) for part in value]
    if is_dataclass(value) and _known().get(type(value).__name__) is type(value):
        parts = {field.name: encode(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **parts}
    if isinstance(value, ELBO) and _of_pyro(type(value).__name__) is type(value):
        parts = {name: encode(part) for name, part in _constructor_values(value).items()}
        return {"pyro": type(value).__name__, **parts}
    return {OWN: name_of(value)}


def decode(value: object) -> Any:
    """The value that :func:`encode` encoded.

    Raises:
        ValueError: for a class that this version of the zoo does not know.
    """
    if isinstance(value, list):
        return tuple(decode(part) for part in value)
    if not isinstance(value, dict):
        return value
    tag = "pyro" if "pyro" in value else "type"
    kind = _of_pyro(value[tag]) if tag == "pyro" else _known().get(value[tag])
    if kind is None:
        raise ValueError(
            f"This version of the zoo knows no '{value[tag]}'. Use the version that saved the fit."
        )
    return kind(**{name: decode(part) for name, part in value.items() if name != tag})


def own_name(value: Any) -> str | None:
    """The name of a part of an encoded value that has to be passed again; None if no part has."""
    if isinstance(value, dict):
        return value[OWN] if OWN in value else own_name(list(value.values()))
    parts: list = value if isinstance(value, list) else []
    return next((name for name in map(own_name, parts) if name is not None), None)


def encode_guide(spec: Callable) -> dict:
    """Name and keywords of a guide of the zoo; {"own": its name} for any other."""
    if isinstance(spec, type) and issubclass(spec, Family) and spec.parts:
        parts = [encode_guide(part) for part in spec.parts]
        return next((part for part in parts if OWN in part), {"composed": parts})
    family, keywords = (spec.func, spec.keywords) if isinstance(spec, partial) else (spec, {})
    values = {k: encode(v) for k, v in keywords.items()}
    ours = isinstance(family, type) and family.__module__.split(".")[0] == GUIDES
    positional = isinstance(spec, partial) and spec.args
    if not ours or positional or own_name(list(values.values())) is not None:
        return {OWN: name_of(family)}
    return {"name": name_of(family), "keywords": values}


def decode_guide(record: dict) -> Callable:
    """The guide of the zoo that a record names.

    Raises:
        ValueError: if the guide is one of the user's own.
    """
    if OWN in record:
        raise ValueError(
            "The fit's guide is none of the zoo's, or was given a module: "
            f"'{record[OWN]}'. Pass it: load_fit(path, guide=...)."
        )
    guides = import_module(GUIDES)
    if "composed" in record:
        return guides.compose(*map(decode_guide, record["composed"]))
    family = getattr(guides, record["name"])
    return partial(family, **{k: decode(v) for k, v in record["keywords"].items()})


def name_of(value: object) -> str:
    """The name of a function or a class; for any other object that of its class."""
    named = value if isinstance(value, type) or inspect.isroutine(value) else type(value)
    return str(named.__name__)


def _constructor_values(elbo: ELBO) -> dict[str, object]:
    """The constructor's arguments for an equal ELBO; Pyro keeps each as an attribute."""
    held, parameters = vars(elbo), inspect.signature(type(elbo).__init__).parameters
    values = {name: held[name] for name in parameters if name in held}
    if elbo.vectorize_particles and elbo.num_particles > 1:
        values["max_plate_nesting"] = elbo.max_plate_nesting - 1  # the constructor adds it
    return values


def _of_pyro(name: str) -> type | None:
    """Pyro's ELBO of that name, if there is one."""
    kind = vars(pyro.infer).get(name)
    return kind if isinstance(kind, type) and issubclass(kind, ELBO) else None


def _known() -> dict[str, type]:
    """The zoo's dataclasses that settings are made of, by name."""
    members = [*vars(objectives).values(), *vars(schedules).values(), Settings, Update]
    return {
        kind.__name__: kind for kind in members if isinstance(kind, type) and is_dataclass(kind)
    }
