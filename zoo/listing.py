"""What goes with what, in few lines: models together that go with the same guides, and so on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
