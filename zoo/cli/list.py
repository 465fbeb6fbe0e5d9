"""`zoo list`: models, guides, objectives, data and parts, and which of them go together."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from guides import GUIDES
from zoo.data import DATA
from zoo.decoders import DECODERS
from zoo.isolation import isolated
from zoo.likelihoods import LIKELIHOODS
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES
from zoo.pairing.mismatch import PairingError, family_of, listed, mismatch
from zoo.priors import PRIORS
from zoo.task import Task, load
from zoo.training.run import describe_task

Pairs = Mapping[str, Mapping[str, Sequence[str]]]  # model -> guide -> objectives


class Block(NamedTuple):
    """Models that go with the same guides under the same objectives.

    Attributes:
        models: their names.
        guides: of each guide the numbers of its groups of objectives, from 1.
    """

    models: tuple[str, ...]
    guides: dict[str, tuple[int, ...]]


def objective_groups(objectives: Sequence[str], pairs: Pairs) -> list[tuple[str, ...]]:
    """Splits the objectives into groups that go with the same guides on every model."""
    return alike({name: _places(name, pairs) for name in objectives})


def blocks(pairs: Pairs, groups: Sequence[tuple[str, ...]]) -> list[Block]:
    """All pairs; models and guides in the order in which they come."""
    numbered = {model: _numbered(guides, groups) for model, guides in pairs.items()}
    together = alike({model: tuple(guides.items()) for model, guides in numbered.items()})
    return [Block(models, numbered[models[0]]) for models in together]


def _places(objective: str, pairs: Pairs) -> tuple[tuple[str, str], ...]:
    return tuple(
        (model, guide)
        for model, guides in pairs.items()
        for guide, names in guides.items()
        if objective in names
    )


def _numbered(
    guides: Mapping[str, Sequence[str]], groups: Sequence[tuple[str, ...]]
) -> dict[str, tuple[int, ...]]:
    return {
        guide: tuple(i for i, group in enumerate(groups, start=1) if group[0] in names)
        for guide, names in guides.items()
    }


def alike(properties: Mapping[str, object]) -> list[tuple[str, ...]]:
    """Names with equal properties together, in the order in which they come."""
    found: dict[object, list[str]] = {}
    for name, value in properties.items():
        found.setdefault(value, []).append(name)
    return [tuple(names) for names in found.values()]


PARTS: dict[str, Iterable[str]] = {
    "prior": PRIORS,
    "likelihood": LIKELIHOODS,
    "decoder": DECODERS,
}


def list_command(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False
) -> None:
    """Lists models, guides, objectives and data, and which of them pair."""
    tables: dict[str, Iterable[str]] = {
        "models": MODELS,
        "guides": GUIDES,
        "objectives": OBJECTIVES,
        "data": DATA,
        **PARTS,
    }
    if as_json:
        named = {key: [{"name": name} for name in names] for key, names in tables.items()}
        typer.echo(json.dumps(named, indent=2))
        return
    console = Console(width=None if sys.stdout.isatty() else 150)
    pairs = {model: pairs_of(load(model)) for model in MODELS}
    groups = objective_groups(list(OBJECTIVES), pairs)
    console.print(_objectives(groups))
    console.print(_pairs(blocks(pairs, groups)))
    console.print(f"data: {', '.join(DATA)}")
    for part in PARTS:
        taken = {model: taken_by(model, part) for model in MODELS}
        for models in alike({model: names for model, names in taken.items() if names}):
            console.print(f"{part} of {', '.join(models)}: {', '.join(taken[models[0]])}")
    sharing = ", ".join(model for model, recipe in MODELS.items() if recipe.shared_guide)
    priors = ", ".join(name for name, prior in PRIORS.items() if prior.recognises)
    console.print(f"guide shared, the prior's encoder: usual for {sharing} with prior {priors}")


def taken_by(model: str, part: str) -> tuple[str, ...]:
    """Names of the parts of that kind that the model can be built with on its usual data."""
    if part not in MODELS[model].parts.given:
        return ()
    return tuple(name for name in PARTS[part] if _builds(model, {part: name}))


def _builds(model: str, parts: dict[str, str]) -> bool:
    try:
        with isolated():
            load(model, **parts).build()  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def pairs_of(task: Task) -> dict[str, list[str]]:
    """Guide -> objectives that go with it on a task."""
    latents = describe_task(task)
    pairs = {
        guide: [name for name, o in OBJECTIVES.items() if mismatch(latents, family, o) is None]
        for guide, family in GUIDES.items()
    }
    return {guide: objectives for guide, objectives in pairs.items() if objectives}


def explained(error: Exception) -> str:
    """What went wrong; guides that would fit by the names that the command line knows them by."""
    if not isinstance(error, PairingError):
        return str(error)
    names = [name for name, guide in GUIDES.items() if family_of(guide) in error.families]
    return " ".join((error.sentence, *listed(names)))


def _objectives(groups: list[tuple[str, ...]]) -> Table:
    view = Table(title="Objectives; those of a group go with the same guides")
    view.add_column("group", justify="right")
    view.add_column("objectives")
    for i, names in enumerate(groups, start=1):
        view.add_row(str(i), ", ".join(names))
    return view


def _pairs(found: list[Block]) -> Table:
    view = Table(title="Which guides go on which models, under which groups of objectives")
    for heading in ("models (data)", "guides", "groups"):
        view.add_column(heading)
    for block in found:
        models = [f"{name} ({MODELS[name].data})" for name in block.models]
        for model, guide in zip_longest(models, block.guides, fillvalue=""):
            view.add_row(model, guide, " ".join(map(str, block.guides.get(guide, ()))))
        view.add_section()
    return view
