"""Rows of a comparison put together over seeds."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from zoo.comparison.row_values import RowValues
from zoo.metrics import Metric
from zoo.normals.solvers import SOLVERS

BY_ROW = "by_row"
OWN = "own method"  # in the place of an objective: Laplace and Pathfinder take none


@dataclass(frozen=True)
class Row:
    """One run: what was fitted, how long it took, its metrics and what the verdict says of them.

    `answers` has the verdict's three parts, each with its answer, reason and what to ask for;
    `by_row` has values of single rows, where rows have weights of their own.
    """

    model: str
    data: str
    guide: str
    objective: str
    seed: int
    steps: int
    seconds: float
    backend: str
    stopped: str
    metrics: dict[str, Metric]
    skipped: dict[str, str]
    verdict: str
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    by_row: RowValues | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Of the run, and of its folder."""
        return run_name(self.guide, self.objective, self.seed)


def record_of(row: Row) -> dict[str, Any]:
    """The row for `results.json`, without the values of single rows."""
    return {
        name: value for name, value in asdict(replace(row, by_row=None)).items() if name != BY_ROW
    }


def run_name(guide: str, objective: str, seed: int) -> str:
    """The name of a run, and of its folder."""
    return f"{guide}-{objective}-seed{seed}"


@dataclass(frozen=True)
class Cell:
    """A metric over seeds; `se` is the larger of the draws' noise and the spread of seeds."""

    value: float
    se: float
    unit: str
    better: str


@dataclass(frozen=True)
class Summary:
    """All seeds of one pair of guide and objective; `found_by` is what the tables say of it."""

    guide: str
    objective: str
    found_by: str
    seeds: int
    seconds: float
    cells: dict[str, Cell]


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """Means over seeds, one summary for each guide and objective, in the order of the rows.

    Runs that were interrupted, or are under way, do not count.
    """
    rows = [row for row in rows if row.stopped not in ("interrupted", "unfinished")]
    pairs = list(dict.fromkeys((row.guide, row.objective) for row in rows))
    groups = [[row for row in rows if (row.guide, row.objective) == pair] for pair in pairs]
    return [_summary(group) for group in groups]


def _summary(rows: list[Row]) -> Summary:
    names = [name for name in rows[0].metrics if all(name in row.metrics for row in rows)]
    return Summary(
        guide=rows[0].guide,
        objective=rows[0].objective,
        found_by=OWN if rows[0].backend in SOLVERS else rows[0].objective,
        seeds=len(rows),
        seconds=sum(row.seconds for row in rows) / len(rows),
        cells={name: over_seeds([row.metrics[name] for row in rows]) for name in names},
    )


def over_seeds(metrics: Sequence[Metric]) -> Cell:
    """The mean of a metric over seeds, with its error."""
    count = len(metrics)
    mean = sum(metric.value for metric in metrics) / count
    squares = sum((metric.value - mean) ** 2 for metric in metrics)
    spread = squares / (count - 1) if count > 1 else 0.0
    noise = math.sqrt(sum(metric.se**2 for metric in metrics)) / count
    se = max(noise, math.sqrt(spread / count))
    return Cell(mean, se, metrics[0].unit, metrics[0].better)


def common_exact(rows: Sequence[Row]) -> Cell | None:
    """The exact log evidence, where it is the same number for every run."""
    cells = [summary.cells.get("exact_log_evidence") for summary in summarise(rows)]
    known = [cell for cell in cells if cell is not None]
    same = bool(known) and len(known) == len(cells) and len({c.value for c in known}) == 1
    return known[0] if same else None
