"""The cards of the pretrained fits, and which fit a name means; nothing here imports torch.

A fit is two files in the folder `fits`: NAME.safetensors holds its tensors, and NAME.json is its
card: what was fitted to which data by which command, the metrics with their errors, the verdict,
the licence, and the SHA-256 of the tensors.
"""

import json
from collections.abc import Iterator
from functools import cache
from math import floor, log10
from pathlib import Path
from typing import Any

from zoo.catalogue.answers import TABLES, alias_of, kinds_of, listed, written
from zoo.catalogue.known import known
from zoo.errors import did_you_mean

FOLDER = Path(__file__).with_name("fits")
PREFIX = "pretrained:"  # of a pretrained fit in the place of a folder on the command line
FORMAT = 1

Card = dict[str, Any]


@cache
def cards() -> dict[str, Card]:
    """Name -> card, in the order of the alphabet."""
    paths = sorted(FOLDER.glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def card_named(name: object) -> Card:
    """The card of the fit that a name means: its own, or another name of what it is made of.

    Args:
        name: such as "pixelvae", or a name of lectures and papers such as "sbn".

    Raises:
        ValueError: for any other name, with the nearest ones.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(
            f"Expected the name of a pretrained fit; got {name!r}. There are: {_all()}."
        )
    own = written(name.removeprefix(PREFIX))
    if own in cards():
        return cards()[own]
    found = list(dict.fromkeys(_made_of(own)))
    if len(found) == 1:
        return cards()[found[0]]
    if found:
        raise ValueError(
            f"Several pretrained fits are made with {name}: {listed(found)}. Name one of them."
        )
    none = f"No pretrained fit named '{own}'."
    said = (none, did_you_mean(own, cards()), f"There are: {_all()}.")
    raise ValueError(" ".join(sentence for sentence in said if sentence))


def _all() -> str:
    return ", ".join(cards())


def _made_of(name: str) -> Iterator[str]:
    """The fits whose model, guide, objective, data or part has this name, or this other name."""
    alias = alias_of(name)
    meant = [(kind, name) for kind in kinds_of(name, known())]
    if alias is not None and alias.kind:
        meant = [(alias.kind, alias.name)]
    for kind, own in meant:
        if own in cards():
            yield own
            return
        yield from (fit for fit, card in cards().items() if _has(card, kind, own))


def _has(card: Card, kind: str, name: str) -> bool:
    if kind == "data":
        return card["data"]["name"] == name
    if kind in ("model", "guide", "objective"):
        return card[kind] == name
    return kind in TABLES and card["parts"].get(kind) == name


def value_of(card: Card, metric: str) -> str:
    """A metric of a card with its standard error, such as "-22.510 ± 0.012"; "-" without it."""
    found = card["scores"]["metrics"].get(metric)
    if found is None:
        return "-"
    digits = max(0, 1 - floor(log10(found["se"]))) if found["se"] > 0 else 4
    return f"{found['value']:.{digits}f} ± {found['se']:.{digits}f}"


def size_of(card: Card) -> str:
    """The size of the tensors' file, such as "412 kB"."""
    return f"{card['weights']['bytes'] / 1000:,.0f} kB"
