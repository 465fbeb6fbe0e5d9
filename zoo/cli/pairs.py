"""Which models, guides, objectives and parts go together, and the names of all of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from guides import GUIDES
from zoo.cli.catalogue.cards import all_cards, group_says, topics
from zoo.data import DATA
from zoo.decoders import DECODERS
from zoo.evaluation.selection import GROUPS, NAMES
from zoo.evidence import ESTIMATORS
from zoo.isolation import isolated
from zoo.likelihoods import LIKELIHOODS
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES
from zoo.pairing.mismatch import mismatch
from zoo.priors import PRIORS
from zoo.task import Task, load
from zoo.training.run import describe_task

Pairs = Mapping[str, Mapping[str, Sequence[str]]]  # model -> guide -> objectives
PARTS: dict[str, Iterable[str]] = {
    "prior": PRIORS,
    "likelihood": LIKELIHOODS,
    "decoder": DECODERS,
}


ALL = ["all"]


class Block(NamedTuple):
    """Models that go with the same guides under the same objectives.

    Attributes:
        models: their names.
        guides: of each guide the numbers of its groups of objectives, from 1.
    """

    models: tuple[str, ...]
    guides: dict[str, tuple[int, ...]]


def all_names() -> dict[str, Any]:
    """What `names.json` holds, as JSON has it.

    Returns:
        The names in each table, by what the table holds ("data" and "model", where each model has
        the name of its usual data); and what `zoo list` shows besides: "objective groups", whose
        objectives go with the same guides; "pairs", the blocks of models; "parts", the names that
        models can be built with; "shared guide", the models and priors with that usual guide;
        "topics", what is said of each topic; and "cards", see :mod:`zoo.cli.catalogue.cards`.
    """
    pairs = {model: pairs_of(load(model)) for model in MODELS}
    groups = objective_groups(list(OBJECTIVES), pairs)
    return table_names() | {
        "objective groups": [list(group) for group in groups],
        "pairs": [
            {"models": list(models), "guides": {name: list(taken) for name, taken in own.items()}}
            for models, own in blocks(pairs, groups)
        ],
        "parts": [found for part in PARTS for found in _parts(part)],
        "shared guide": {
            "models": [model for model, recipe in MODELS.items() if recipe.shared_guide],
            "priors": [name for name, prior in PRIORS.items() if prior.recognises],
        },
        "topics": topics() | group_says(),
        "cards": all_cards(pairs),
    }


def table_names() -> dict[str, Any]:
    """The names in the tables alone, which takes no time."""
    return {
        "model": {model: recipe.data for model, recipe in MODELS.items()},
        "guide": list(GUIDES),
        "objective": list(OBJECTIVES),
        "data": list(DATA),
        **{part: list(names) for part, names in PARTS.items()},
        "metric": [*NAMES, *ESTIMATORS],
        "metric group": list(GROUPS),
    }


def pairs_of(task: Task) -> dict[str, list[str]]:
    """Guide -> objectives that go with it on a task."""
    latents = describe_task(task)
    pairs = {
        guide: [name for name, o in OBJECTIVES.items() if mismatch(latents, family, o) is None]
        for guide, family in GUIDES.items()
    }
    return {guide: objectives for guide, objectives in pairs.items() if objectives}


def names_that_fit(
    task: Task, guides: list[str], objectives: list[str]
) -> tuple[list[str], list[str]]:
    """The guides and the objectives asked for; "all" stands for all that fit the task."""
    if ALL not in (guides, objectives):
        return guides, objectives
    pairs = pairs_of(task)
    every = [name for name in OBJECTIVES if any(name in own for own in pairs.values())]
    return list(pairs) if guides == ALL else guides, every if objectives == ALL else objectives


def objective_groups(objectives: Sequence[str], pairs: Pairs) -> list[tuple[str, ...]]:
    """Splits the objectives into groups that go with the same guides on every model."""
    return alike({name: _places(name, pairs) for name in objectives})


def blocks(pairs: Pairs, groups: Sequence[tuple[str, ...]]) -> list[Block]:
    """All pairs; models and guides in the order in which they come."""
    numbered = {model: _numbered(guides, groups) for model, guides in pairs.items()}
    together = alike({model: tuple(guides.items()) for model, guides in numbered.items()})
    return [Block(models, numbered[models[0]]) for models in together]


def alike(properties: Mapping[str, object]) -> list[tuple[str, ...]]:
    """Names with equal properties together, in the order in which they come."""
    found: dict[object, list[str]] = {}
    for name, value in properties.items():
        found.setdefault(value, []).append(name)
    return [tuple(names) for names in found.values()]


def taken_by(model: str, part: str) -> tuple[str, ...]:
    """Names of the parts of that kind that the model can be built with on its usual data."""
    if part not in MODELS[model].parts.given:
        return ()
    return tuple(name for name in PARTS[part] if _builds(model, {part: name}))


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


def _parts(part: str) -> list[dict[str, Any]]:
    """Models that can be built with the same parts of that kind, with the names of the parts."""
    taken = {model: taken_by(model, part) for model in MODELS}
    together = alike({model: names for model, names in taken.items() if names})
    return [{"part": part, "models": list(m), "names": list(taken[m[0]])} for m in together]


def _builds(model: str, parts: dict[str, str]) -> bool:
    try:
        with isolated():
            load(model, **parts).build()  # type: ignore[arg-type]
    except ValueError:
        return False
    return True
