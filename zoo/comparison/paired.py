"""Differences between the pairs of a comparison, paired by seed and by row.

Runs of one seed begin at the same random state, and all runs are scored on the same rows. What
they share falls out of a difference. What is left is estimated for every two pairs by themselves,
since one guide may vary much more than another. There are three errors, for three claims:

- `se`, "on these rows": training again with other seeds, scored on the same rows. It is Student's
  paired test over seeds; two seeds can show large differences only.
- `se_rows`, "of these fits": the fits as they are, scored on other rows of the same source. The
  difference is taken row by row first, so that what makes a row hard for both pairs falls out.
- `se_both`, "over rows and seeds": training again, and other rows. Seeds and rows are crossed:
  the variance of the mean is (A + B - C) / (seeds x rows), where A, B and C are the mean squares
  of a two-way analysis of variance between seeds, between rows, and of what is left; the degrees
  of freedom are Satterthwaite's.

A difference is called clear by the last where the values of single rows are known, since that is
what is usually claimed; otherwise by the first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from zoo.comparison.aggregate import Row
from zoo.comparison.row_values import MEANS

LEVEL = 0.05  # chance that any difference is called clear where there is none
ROUNDING = 1e-6  # of the values: what differs by less is never clear

Pair = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """How much higher a metric of one pair is than of another, over seeds and rows.

    Attributes:
        first: guide and objective.
        second: guide and objective.
        metric: its name.
        value: mean over seeds of the first's value minus the second's of the same seed.
        se: its standard error over seeds, of training and of the draws, for the rows that were
            scored; NaN for one seed, where nothing is known of how training varies.
        clear: is it further from 0 than chance explains? Over all differences of a comparison, one
            that is 0 is called clear with a chance of at most 0.05.
        unit: of value and errors.
        se_rows: its standard error over rows, for these fits; NaN where values of single rows are
            not known, or rows share their latents.
        se_both: its standard error over seeds and rows together; NaN where one of them is.
        freedom: degrees of freedom of the error that `clear` goes by; NaN for one seed.
    """

    first: Pair
    second: Pair
    metric: str
    value: float
    se: float
    clear: bool
    unit: str
    se_rows: float = math.nan
    se_both: float = math.nan
    freedom: float = math.nan

    @property
    def judged_by(self) -> float:
        """The error that `clear` goes by: over seeds and rows, or over seeds alone."""
        return self.se if math.isnan(self.se_both) else self.se_both

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """From and to where the true difference lies, with that chance; NaN for one seed.

        It is of this difference alone, without regard to how many others there are.
        """
        from scipy.stats import t

        half = float(t.ppf((1 + level) / 2, self.freedom)) * self.judged_by
        return self.value - half, self.value + half


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
    unit, found = next(row.metrics[metric].unit for row in rows if metric in row.metrics), []
    single = _by_pair_seed_and_row(rows, metric, pairs)
    for i, j in combinations(range(count), 2):
        apart = values[i] - values[j]
        noise = math.sqrt(float((errors[i] ** 2 + errors[j] ** 2).sum())) / seeds
        spread = float(apart.std(ddof=1)) / math.sqrt(seeds) if seeds > 1 else math.nan
        value, se = float(apart.mean()), max(spread, noise) if seeds > 1 else math.nan
        crossed = NO_ROWS if single is None else over_rows(single[i] - single[j])
        judged_by, freedom = se, float(seeds - 1) if seeds > 1 else math.nan
        if not math.isnan(crossed.se_both):
            crossed = replace(crossed, se_both=max(crossed.se_both, se))
            judged_by, freedom = crossed.se_both, crossed.freedom
        limit = float(t.ppf(1 - LEVEL / (2 * number), freedom)) if seeds > 1 else math.inf
        clear = abs(value) > max(limit * judged_by, ROUNDING * float(np.abs(values).max()))
        found.append(
            Difference(
                pairs[i], pairs[j], metric, value, se, clear, unit,
                crossed.se_rows, crossed.se_both, freedom,
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class OverRows:
    """Errors of a mean over seeds and rows.

    Attributes:
        se_rows: over rows, the fits as they are.
        se_both: over seeds and rows; NaN for one seed.
        freedom: degrees of freedom of `se_both`.
    """

    se_rows: float
    se_both: float
    freedom: float


NO_ROWS = OverRows(math.nan, math.nan, math.nan)


def over_rows(apart: np.ndarray) -> OverRows:
    """Errors of the mean of differences, (seeds, rows), as seeds and rows are crossed.

    Source: Satterthwaite 1946, "An approximate distribution of estimates of variance components".
    """
    seeds, rows = apart.shape
    if rows < 2 or not np.isfinite(apart).all():
        return NO_ROWS
    by_row, by_seed, mean = apart.mean(0), apart.mean(1), apart.mean()
    se_rows = float(by_row.std(ddof=1)) / math.sqrt(rows)
    if seeds < 2:
        return OverRows(se_rows, math.nan, math.nan)
    between_seeds = rows * float(by_seed.var(ddof=1))
    between_rows = seeds * float(by_row.var(ddof=1))
    left = apart - by_row - by_seed[:, None] + mean
    freedom_left = (seeds - 1) * (rows - 1)
    residual = float((left**2).sum()) / freedom_left
    total = max(between_seeds + between_rows - residual, between_seeds, between_rows)
    parts = between_seeds**2 / (seeds - 1) + between_rows**2 / (rows - 1)
    parts += residual**2 / freedom_left
    freedom = total**2 / parts if parts > 0 else float(seeds - 1)
    return OverRows(se_rows, math.sqrt(total / (seeds * rows)), max(freedom, 1.0))


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


def _by_pair_seed_and_row(
    rows: Sequence[Row], metric: str, pairs: Sequence[Pair]
) -> np.ndarray | None:
    """Values of single rows, (pairs, seeds, rows); None where some run has none.

    Only of metrics that are means over rows: a median over rows is no mean of differences.
    """
    if metric not in MEANS:
        return None
    seeds = sorted({row.seed for row in rows})
    known = {
        (row.guide, row.objective, row.seed): row.by_row.values[metric]
        for row in rows
        if row.by_row is not None and metric in row.by_row.values
    }
    wanted = [[(*pair, seed) for seed in seeds] for pair in pairs]
    if not all(run in known for line in wanted for run in line):
        return None
    if len({len(known[run]) for line in wanted for run in line}) != 1:
        return None
    return np.array([[known[run] for run in line] for line in wanted])
