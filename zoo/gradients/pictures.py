"""Pictures of a comparison of gradient estimators: variance over cost, and over temperature."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from zoo.figure_style import (
    BLUE,
    GREY,
    PALE,
    VERMILLION,
    Look,
    in_style,
    legend_above,
    looks,
    save_figure,
)
from zoo.gradients.results import GradientRow, Gradients, Value

EVALUATIONS, MILLISECONDS = "evaluations of f", "milliseconds, plain step"
PANELS = (("encoder", EVALUATIONS), ("total", EVALUATIONS), ("total", MILLISECONDS))
ROUND_NUMBERS = [m * 10.0**n for n in range(-4, 6) for m in (1, 2, 5)]
POINTS_PER_PIXEL = 0.72  # at matplotlib's 100 pixels an inch


def label(row: GradientRow) -> str:
    """Name of an estimator, with its temperature."""
    return row.objective if row.temperature is None else f"{row.objective} {row.temperature:g}"


@in_style
def variance_picture(found: Gradients, path: Path) -> Path:
    """Draws the variance of gradients over their cost; grey lines are of equal variance x cost.

    Bars are two standard errors.
    """
    places = list(dict.fromkeys(row.at for row in found.rows))
    picture, axes = plt.subplots(
        len(places),
        len(PANELS),
        figsize=(4 * len(PANELS), 5 * len(places)),
        layout="constrained",
        squeeze=False,
    )
    panels = [
        (axes[i][j], [row for row in found.rows if row.at == place], *panel)
        for i, place in enumerate(places)
        for j, panel in enumerate(PANELS)
    ]
    for axis, rows, group, cost in panels:
        _scatter(axis, rows, group, cost)
    _legend(picture, axes[0][0])
    picture.canvas.draw()  # fixes the positions of axes and points, which the names need
    for axis, rows, group, cost in panels:
        _names(axis, rows, group, cost)
    return save_figure(picture, path)[0]


def _points(rows: Sequence[GradientRow], group: str, cost: str) -> list[tuple[float, float]]:
    return [(_cost(row, cost), row.variance[group].value) for row in _noisy(rows, group)]


def _noisy(rows: Sequence[GradientRow], group: str) -> list[GradientRow]:
    return [row for row in rows if row.variance[group].value > 0]


def _cost(row: GradientRow, cost: str) -> float:
    return float(row.evaluations) if cost == EVALUATIONS else row.seconds * 1e3


def _scatter(axis: Axes, rows: Sequence[GradientRow], group: str, cost: str) -> None:
    axis.set(xlabel=cost, title=f"{rows[0].at}: {group}", xscale="log", yscale="log")
    axis.set_ylabel("variance of a gradient, (nats per unit)²")
    points = np.array(_points(rows, group, cost))
    if not len(points):
        return
    for (x, y), row in zip(points, _noisy(rows, group), strict=True):
        colour, fill, marker = _marks(row)
        error = min(2 * row.variance[group].se, 0.9 * y)
        axis.errorbar(x, y, error, fmt=marker, ms=6, color=colour, mfc=fill)
    low, high = points.min(0), points.max(0)
    axis.set(xlim=(low[0] / 1.5, high[0] * 4), ylim=(low[1] / 2, high[1] * 2))
    ends = np.array([low[0] / 1.5, high[0] * 4])
    for power in range(math.floor(math.log10(low.prod())) - 2, 30):
        axis.plot(ends, 10.0**power / ends, color=PALE, lw=0.8, zorder=0)
    ticks = sorted({x for x, _ in points}) if cost == EVALUATIONS else ROUND_NUMBERS
    axis.set_xticks([x for x in ticks if ends[0] < x < ends[1]])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")


def _marks(row: GradientRow) -> tuple[str, str, str]:
    """Colours of line and fill, and the marker: a hollow square where there is a bias."""
    if row.biased is None:
        return GREY, GREY, "D"
    return (VERMILLION, "white", "s") if row.biased else (BLUE, BLUE, "o")


def _legend(picture: Picture, axis: Axes) -> None:
    axis.plot([], [], "o", color=BLUE, label="no bias found")
    axis.plot([], [], "s", color=VERMILLION, mfc="white", label="biased")
    axis.plot([], [], "D", color=GREY, label="exact gradient not known")
    axis.plot([], [], color=PALE, label="equal variance x cost")
    legend_above(picture, [axis])


def _names(axis: Axes, rows: Sequence[GradientRow], group: str, cost: str) -> None:
    """Writes each name beside its point, and higher where it would cover another name."""
    points = _points(rows, group, cost)
    if not points:
        return
    texts = [label(row) for row in _noisy(rows, group)]
    pixels = axis.transData.transform(points)
    taken = [(x - 5, x + 5, y) for x, y in pixels]
    for i in np.lexsort((pixels[:, 0], pixels[:, 1])):
        left, level = pixels[i][0] + 14, pixels[i][1]
        right = left + 7 * len(texts[i])
        while any(left < b and a < right and abs(level - y) < 13 for a, b, y in taken):
            level += 1
        taken.append((left, right, level))
        axis.annotate(
            texts[i],
            points[i],
            xytext=(14 * POINTS_PER_PIXEL, (level - pixels[i][1]) * POINTS_PER_PIXEL),
            textcoords="offset points",
            fontsize=8.5,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.6},
        )


@in_style
def temperature_picture(found: Sequence[GradientRow], path: Path) -> Path:
    """Draws bias and variance of relaxed estimators over temperature.

    Bars are two standard errors; a dashed line is the smallest variance of an unbiased estimator.
    """
    places = list(dict.fromkeys(row.at for row in found))
    look = looks(row.objective for row in found)
    picture, axes = plt.subplots(
        len(places), 2, figsize=(9, 0.6 + 3.4 * len(places)), layout="constrained", squeeze=False
    )
    for (left, right), place in zip(axes, places, strict=True):
        rows = [row for row in found if row.at == place]
        for name in dict.fromkeys(row.objective for row in rows if _hot(row)):
            curve = sorted(
                (row for row in rows if row.objective == name), key=lambda r: r.temperature or 0
            )
            taus = [row.temperature for row in curve]
            known = [row.bias or {"relative": math.nan, "relative_se": 0.0} for row in curve]
            off = [Value(one["relative"], one["relative_se"]) for one in known]
            _curve(left, taus, off, name, look[name])
            _curve(right, taus, [row.variance["encoder"] for row in curve], name, look[name])
        _best(right, rows, look)
        at = f"at the {place} parameters"
        left.set(xlabel="temperature", ylabel="norm of bias / norm of exact gradient")
        right.set(xlabel="temperature", ylabel="encoder's variance, (nats per unit)²")
        left.set(xscale="log", ylim=(0, None), title=f"bias {at}")
        right.set(xscale="log", yscale="log", title=f"variance {at}")
        for axis in (left, right):
            axis.set_xticks(sorted({row.temperature for row in rows if row.temperature}))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter("")
    legend_above(picture, axes.flat)
    return save_figure(picture, path)[0]


def _curve(
    axis: Axes, taus: Sequence[float | None], values: Sequence[Value], name: str, look: Look
) -> None:
    axis.errorbar(
        taus,  # type: ignore[arg-type]
        [one.value for one in values],
        [2 * one.se for one in values],
        ms=4,
        label=name,
        **look.keywords,
    )


def _hot(row: GradientRow) -> bool:
    return row.temperature is not None


def _best(axis: Axes, rows: Sequence[GradientRow], look: dict[str, Look]) -> None:
    """Draws a line at the smallest variance of an unbiased estimator."""
    noisy = [row for row in _noisy(rows, "encoder") if not _hot(row)]
    fair = [row for row in noisy if row.biased is False]
    if fair:
        best = min(fair, key=lambda row: row.variance["encoder"].value)
        axis.axhline(
            best.variance["encoder"].value,
            color=look[best.objective].colour,
            ls="--",
            lw=1,
            label=f"{label(best)}, unbiased",
        )
