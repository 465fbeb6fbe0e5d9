"""The validation scores of the settings of a sweep, and how far each is behind the best."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from zoo.comparison.aggregate import Cell, Row, over_seeds
from zoo.metrics import Metric
from zoo.metrics.metric import difference
from zoo.sweeps.grid import Setting

ENDED = ("finished", "converged", "early")  # how a fit ends that can be chosen
NEAR = 2.0  # standard errors: settings nearer to the best than that are not told apart from it


@dataclass(frozen=True)
class Score:
    """What was found of one setting.

    Attributes:
        setting: what was tried.
        rows: its runs that came to their ends, one for each seed.
        value: the mean of the score over seeds, with its error; None where a seed has none.
        failed: number of runs that raised an error.
        behind: how far the value is below the best setting's, seed by seed; None for the best,
            and where there is no value.
    """

    setting: Setting
    rows: tuple[Row, ...]
    value: Cell | None
    failed: int = 0
    behind: Cell | None = None

    @property
    def ends(self) -> str:
        """How the runs ended: "5 finished", "3 finished, 2 diverged"."""
        counts = Counter(row.stopped for row in self.rows)
        counts.update({"failed": self.failed} if self.failed else {})
        return ", ".join(f"{count} {ending}" for ending, count in counts.items()) or "none ended"

    @property
    def seconds(self) -> float:
        """Of a fit, the mean over seeds; NaN where no run came to its end."""
        taken = [row.seconds for row in self.rows]
        return sum(taken) / len(taken) if taken else math.nan

    @property
    def near(self) -> bool:
        """Is it within two standard errors of the best setting?"""
        return self.behind is not None and self.behind.value <= NEAR * self.behind.se


def scores_of(
    settings: Sequence[Setting],
    rows: Mapping[str, Row],
    failed: Collection[str],
    seeds: int,
    metric: str,
) -> list[Score]:
    """The scores, the highest first; after them what has none, in the order it was asked for.

    Args:
        settings: what was tried.
        rows: name of a run -> its row, of those that came to their ends.
        failed: names of runs that raised an error.
        seeds: number of seeds.
        metric: name of the score, of which higher is better.
    """
    names = [[setting.run(seed) for seed in range(seeds)] for setting in settings]
    found = [
        _score(setting, [rows.get(name) for name in own], len({*own} & {*failed}), metric)
        for setting, own in zip(settings, names, strict=True)
    ]
    scored = [one for one in found if one.value is not None]
    ordered = sorted(scored, key=lambda one: -_mean(one))
    left = [one for one in found if one.value is None]
    return [_behind(ordered[0], one, metric) for one in ordered] + left


def _score(setting: Setting, runs: list[Row | None], failed: int, metric: str) -> Score:
    rows = [row for row in runs if row is not None]
    good = [row for row in rows if row.stopped in ENDED and metric in row.metrics]
    whole = len(good) == len(runs)
    value = over_seeds([row.metrics[metric] for row in good]) if whole else None
    return Score(setting, tuple(rows), value, failed)


def _mean(score: Score) -> float:
    assert score.value is not None
    return score.value.value


def _behind(best: Score, other: Score, metric: str) -> Score:
    """The score with its distance to the best; runs of one seed are paired."""
    if best is other:
        return other
    pairs = zip(best.rows, other.rows, strict=True)
    apart: list[Metric] = [difference(a.metrics[metric], b.metrics[metric]) for a, b in pairs]
    return replace(other, behind=over_seeds(apart))
