"""Which figures are asked for: names of tables, iwae_K for any K, or estimators with settings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.figures.ais import AnnealedImportance
from zoo.figures.bdmc import Bidirectional
from zoo.figures.evidence import Evidence
from zoo.figures.smc import TemperedSMC
from zoo.figures.streamed_bound import StreamedBound

ESTIMATORS: dict[str, Evidence] = {
    "ais": AnnealedImportance(),
    "ais_from_guide": AnnealedImportance(start="guide"),
    "smc": TemperedSMC(),
    "bdmc": Bidirectional(),
}


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        names: of all figures, in the order asked for.
        estimators: those that draw for themselves.
    """

    names: tuple[str, ...]
    estimators: tuple[Evidence, ...]


def asked_for(figures: Sequence[str | Evidence], tables: Sequence[str]) -> Asked:
    """Looks the figures up.

    Args:
        figures: names, or estimators with settings of their own.
        tables: names of the figures that come from shared draws.

    Raises:
        ValueError: for a name that does not exist, or two figures of one name.
    """
    found = [_look_up(figure, tables) for figure in figures]
    estimators = tuple(one for one in found if isinstance(one, Evidence))
    names = [name for one in found for name in ([one] if isinstance(one, str) else one.names)]
    twice = [name for name in names if names.count(name) > 1]
    if twice and estimators:
        raise ValueError(f"Two figures named '{twice[0]}'. Evaluate twice, one in each.")
    return Asked(tuple(names), estimators)


def _look_up(figure: str | Evidence, tables: Sequence[str]) -> str | Evidence:
    if isinstance(figure, Evidence) or figure in tables:
        return figure
    if figure in ESTIMATORS:
        return ESTIMATORS[figure]
    if match := re.fullmatch(r"iwae_([1-9]\d*)", figure):
        return StreamedBound(int(match[1]))
    known = ", ".join((*tables, *ESTIMATORS))
    raise ValueError(f"No figure named '{figure}'; there are {known}, and iwae_K for any K.")
