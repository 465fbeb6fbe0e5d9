"""Rows of a comparison put together over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.figures import Figure

SEPARATE = 1.96


@dataclass(frozen=True)
class Row:
    """One run: what was fitted, how long it took, and its figures."""

    model: str
    data: str
    guide: str
    objective: str
    seed: int
    steps: int
    seconds: float
    path: str
    stopped: str
    figures: dict[str, Figure]
    skipped: dict[str, str]
    verdict: str


@dataclass(frozen=True)
class Cell:
    """A figure over seeds; `se` covers the draws' noise and the spread between seeds."""

    value: float
    se: float
    unit: str
    better: str


@dataclass(frozen=True)
class Summary:
    """All seeds of one pair of guide and objective."""

    guide: str
    objective: str
    seeds: int
    seconds: float
    cells: dict[str, Cell]


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """Means over seeds, one summary for each guide and objective, in the order of the rows."""
    pairs = list(dict.fromkeys((row.guide, row.objective) for row in rows))
    return [_over_seeds([row for row in rows if (row.guide, row.objective) == p]) for p in pairs]


def _over_seeds(rows: list[Row]) -> Summary:
    names = [name for name in rows[0].figures if all(name in row.figures for row in rows)]
    return Summary(
        guide=rows[0].guide,
        objective=rows[0].objective,
        seeds=len(rows),
        seconds=sum(row.seconds for row in rows) / len(rows),
        cells={name: _cell([row.figures[name] for row in rows]) for name in names},
    )


def _cell(figures: list[Figure]) -> Cell:
    count = len(figures)
    mean = sum(figure.value for figure in figures) / count
    noise = math.sqrt(sum(figure.se**2 for figure in figures)) / count
    spread = sum((figure.value - mean) ** 2 for figure in figures) / max(count - 1, 1)
    se = max(noise, math.sqrt(spread / count))
    return Cell(mean, se, figures[0].unit, figures[0].better)


def is_best(cell: Cell, rivals: Sequence[Cell]) -> bool:
    """Is the cell better than every rival by more than both error bars?"""
    others = [rival for rival in rivals if rival is not cell]
    sign = {"higher": 1, "lower": -1}.get(cell.better, 0)
    return bool(others and sign) and all(
        sign * (cell.value - rival.value) > SEPARATE * (cell.se + rival.se) for rival in others
    )
