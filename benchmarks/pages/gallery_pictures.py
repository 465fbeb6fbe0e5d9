"""Pictures of the gallery's tables: a line for each setting, a dot a seed, and their mean."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from zoo.figure_style import BLACK, GREY, Look, in_style, legend_above, looks, save_figure


def nothing(row: dict) -> bool:
    """No row."""
    return False


def tolerance(row: dict) -> tuple[float, float]:
    """What difference from the published number still agrees."""
    return -row["tolerance"], row["tolerance"]


def shortened(row: dict) -> bool:
    """Was the run shorter than the published one?"""
    return row["steps"] < row["planned_steps"]


@dataclass(frozen=True)
class Dots:
    """What to draw of a section's rows.

    Attributes:
        head: the key of a row that names its setting.
        metrics: each drawn in a colour; "a.b" is metric b of group a, "a - b" a difference.
        label: of the axis, with its unit.
        names: of the metrics in the legend; none for their own.
        log: is the axis logarithmic?
        views: parts of a broken axis, each from and to; none for one axis over everything.
        band: from and to where a setting would agree with what is published; None for no band.
        hollow: rows that are drawn as rings.
        rings: what they are.
    """

    head: str
    metrics: Sequence[str]
    label: str
    names: Sequence[str] = ()
    log: bool = False
    views: Sequence[tuple[float, float]] = ()
    band: Callable[[dict], tuple[float, float]] | None = None
    hollow: Callable[[dict], bool] = nothing
    rings: str = ""


@in_style
def draw(rows: Sequence[dict], dots: Dots, path: Path) -> None:
    """One line for each setting, the first on top."""
    settings = list(dict.fromkeys(row[dots.head] for row in rows))
    sizes = [high - low for low, high in dots.views] or [1.0]
    drawn, axes = plt.subplots(
        1,
        len(sizes),
        figsize=(8, 1.5 + 0.3 * len(settings)),
        layout="constrained",
        squeeze=False,
        sharey=True,
        width_ratios=sizes,
    )
    for axis in axes[0]:
        _draw_on(axis, rows, settings, dots)
    for axis, view in zip(axes[0], dots.views, strict=False):
        axis.set_xlim(view)
    _break(axes[0])
    axes[0][0].set_yticks(range(len(settings)), settings)
    axes[0][0].set_ylabel(dots.head)
    axes[0][0].set_ylim(len(settings) - 0.4, -0.6)
    drawn.supxlabel(dots.label, fontsize=10)
    legend_above(drawn, axes[0])
    save_figure(drawn, path)


def _draw_on(axis: Axes, rows: Sequence[dict], settings: list[str], dots: Dots) -> None:
    for height, setting in enumerate(settings):
        own = [row for row in rows if row[dots.head] == setting]
        if dots.band is not None:
            low, high = dots.band(own[0])
            axis.barh(height, high - low, 0.8, low, color="0.85", zorder=0)
    names = dots.names or [name.split(".")[-1] for name in dots.metrics]
    look = looks(names)
    for place, (metric, name) in enumerate(zip(dots.metrics, names, strict=True)):
        lift = 0.14 * (place - (len(dots.metrics) - 1) / 2)
        for height, setting in enumerate(settings):
            own = [row for row in rows if row[dots.head] == setting and _has(row, metric)]
            _seeds(axis, own, metric, height + lift, dots, look[name])
        axis.errorbar([], [], xerr=[], fmt=look[name].marker, color=look[name].colour, label=name)
    _explain(axis, rows, dots)
    if dots.log:
        axis.set_xscale("log")
    axis.grid(axis="both")


def _has(row: dict, metric: str) -> bool:
    return metric.partition(" - ")[0].split(".")[0] in row


def _seeds(
    axis: Axes, own: Sequence[dict], metric: str, height: float, dots: Dots, look: Look
) -> None:
    """A dot a seed with its own error; beneath, the mean over alike seeds with theirs."""
    found = [(row, *value_of(row, metric)) for row in own]
    whole = [(value, error) for row, value, error in found if not dots.hollow(row)]
    if len(whole) > 1:
        mean, error = mean_of(whole)
        axis.errorbar(mean, height, xerr=2 * error, fmt=look.marker, ms=7, color=look.colour)
    for row, value, error in found:
        fill = "white" if dots.hollow(row) or len(whole) > 1 else look.colour
        size = 3 if len(whole) > 1 and not dots.hollow(row) else 6
        axis.errorbar(
            value, height, xerr=2 * error, fmt=look.marker, ms=size, capsize=0, mew=0.8,
            color=look.colour, mfc=fill, mec=BLACK if size == 3 else look.colour,
        )  # fmt: skip


def _explain(axis: Axes, rows: Sequence[dict], dots: Dots) -> None:
    """Names in the legend for what is no metric."""
    if len({row["seed"] for row in rows}) > 1 and not dots.band:
        said = "mean of seeds ± 2 standard errors"
        axis.errorbar([], [], xerr=[], fmt="o", ms=7, color=GREY, label=said)
        dot = {"fmt": "o", "ms": 3, "color": GREY, "mfc": "white", "mec": BLACK, "mew": 0.8}
        axis.errorbar([], [], xerr=[], capsize=0, label="one seed", **dot)
    if dots.rings:
        axis.errorbar([], [], xerr=[], fmt="o", ms=6, color=GREY, mfc="white", label=dots.rings)
    if dots.band:
        axis.barh([0], [0], color="0.85", label="would agree with the published")


def _break(axes: Sequence[Axes]) -> None:
    """Marks at the ends where parts of one axis meet."""
    marks = {"marker": [(-0.5, -1), (0.5, 1)], "ms": 8, "ls": "none", "color": BLACK, "mew": 1}
    for left, right in zip(axes, axes[1:], strict=False):
        left.plot([1], [0], transform=left.transAxes, clip_on=False, **marks)
        right.plot([0], [0], transform=right.transAxes, clip_on=False, **marks)
        right.spines["left"].set_visible(False)
        right.tick_params(left=False)


def mean_of(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean of several seeds, and the larger of its errors: of their spread, and of the draws."""
    count = len(values)
    mean = sum(value for value, _ in values) / count
    spread = math.sqrt(sum((value - mean) ** 2 for value, _ in values) / (count - 1) / count)
    noise = math.sqrt(sum(error**2 for _, error in values)) / count
    return mean, max(spread, noise)


def value_of(row: dict, metric: str) -> tuple[float, float]:
    """A metric and its standard error, 0 where it has none; of a difference that of the first."""
    metric, _, less = metric.partition(" - ")
    if less:
        (value, error), (taken, _) = value_of(row, metric), value_of(row, less)
        return value - taken, error
    group, _, name = metric.partition(".")
    found = row[group][name] if name else row[group]
    if isinstance(found, dict):
        return found["value"], found["se"]
    return (found[0], found[1]) if isinstance(found, list) else (found, 0.0)
