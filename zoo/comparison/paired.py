"""Differences between the pairs of a comparison, with the errors that are left when seeds match.

Runs of one seed begin at the same random state and are scored on the same rows, so that a part of
what varies between seeds is common to two pairs and falls out of their difference. What is left is
estimated for every two pairs by themselves (Student's paired test), since one guide may vary much
more than another. Two seeds can therefore show large differences only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from zoo.comparison.aggregate import Row

LEVEL = 0.05  # chance that any difference is called clear where there is none
ROUNDING = 1e-6  # of the values: what differs by less is never clear

Pair = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """How much higher a metric of one pair is than of another, over seeds.

    Attributes:
        first: guide and objective.
        second: guide and objective.
        metric: its name.
        value: mean over seeds of the first's value minus the second's of the same seed.
        se: its standard error, of training and of the draws, for the rows that were scored; NaN
            for one seed, where nothing is known of how training varies.
        clear: is it further from 0 than chance explains? Over all differences of a comparison, one
            that is 0 is called clear with a chance of at most 0.05.
        unit: of value and error.
    """

    first: Pair
    second: Pair
    metric: str
    value: float
    se: float
    clear: bool
    unit: str


def differences(rows: Sequence[Row], metric: str) -> list[Difference]:
    """The difference of every two pairs; none for a metric that not every run has.

    Args:
        rows: those of a comparison.
        metric: name of the metric.
    """
    values, errors, pairs = _by_pair_and_seed(rows, metric)
    if len(pairs) < 2:
        return []
    from scipy.stats import t  # half a second to import

    count, seeds = values.shape
    number = count * (count - 1) // 2
    limit = float(t.ppf(1 - LEVEL / (2 * number), seeds - 1)) if seeds > 1 else math.inf
    unit, found = next(row.metrics[metric].unit for row in rows if metric in row.metrics), []
    for i, j in combinations(range(count), 2):
        apart = values[i] - values[j]
        noise = math.sqrt(float((errors[i] ** 2 + errors[j] ** 2).sum())) / seeds
        spread = float(apart.std(ddof=1)) / math.sqrt(seeds) if seeds > 1 else math.nan
        value, se = float(apart.mean()), max(spread, noise) if seeds > 1 else math.nan
        clear = abs(value) > max(limit * se, ROUNDING * float(np.abs(values).max()))
        found.append(Difference(pairs[i], pairs[j], metric, value, se, clear, unit))
    return found


def best(rows: Sequence[Row], metric: str) -> Pair | None:
    """The pair that is clearly better than every other; None if there is none.

    A pair that diverged is not counted. Where another lacks a seed, or the metric, nothing is the
    best: it might be.
    """
    rows = judged(rows)
    found, better = differences(rows, metric), _better(rows, metric)
    sign = {"higher": 1, "lower": -1}.get(better, 0)
    pairs = list(dict.fromkeys((row.guide, row.objective) for row in rows))
    if set(pairs) != {pair for one in found for pair in (one.first, one.second)}:
        return None
    for pair in pairs:
        own = [one for one in found if pair in (one.first, one.second)]
        wins = [one.clear and (one.value * sign > 0) == (one.first == pair) for one in own]
        if sign and wins and all(wins):
            return pair
    return None


def judged(rows: Sequence[Row]) -> list[Row]:
    """The rows of pairs of which no run diverged."""
    gone = {(row.guide, row.objective) for row in rows if row.stopped == "diverged"}
    return [row for row in rows if (row.guide, row.objective) not in gone]


def _better(rows: Sequence[Row], metric: str) -> str:
    return next((row.metrics[metric].better for row in rows if metric in row.metrics), "")


def _by_pair_and_seed(
    rows: Sequence[Row], metric: str
) -> tuple[np.ndarray, np.ndarray, list[Pair]]:
    """Values and standard errors, (pairs, seeds) each, of the pairs that have every seed."""
    seeds = sorted({row.seed for row in rows})
    known = {
        (row.guide, row.objective, row.seed): row.metrics[metric]
        for row in rows
        if metric in row.metrics
    }
    pairs = list(dict.fromkeys((row.guide, row.objective) for row in rows))
    pairs = [pair for pair in pairs if all((*pair, seed) in known for seed in seeds)]
    cells = [[known[(*pair, seed)] for seed in seeds] for pair in pairs]
    values = np.array([[cell.value for cell in line] for line in cells])
    errors = np.array([[cell.se for cell in line] for line in cells])
    return values, errors, pairs
