"""Table, pictures and JSON of a comparison of gradient estimators."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from rich.table import Table

from zoo.gradients.results import GradientRow, Gradients, Value
from zoo.provenance import provenance

EVALUATIONS, MILLISECONDS = "evaluations of f", "milliseconds, plain step"
PANELS = (("encoder", EVALUATIONS), ("total", EVALUATIONS), ("total", MILLISECONDS))
ROUND = [m * 10.0**n for n in range(-4, 6) for m in (1, 2, 5)]
POINT = 0.72  # points to a pixel, at matplotlib's 100 pixels an inch
HEADINGS = (
    "estimator",
    "at",
    "p, no bias",
    "bias, relative",
    "variance\nencoder",
    "variance\ndecoder",
    "variance\ntotal",
    "signal\n/ noise",
    "evaluations\nof f",
    "ms",
    "variance x\nevaluations",
)


def gradient_table(found: Gradients, title: str) -> Table:
    """One line an estimator and place; red where the mean gradient is not the exact one.

    Variances are in (nats per unit)^2, with their standard errors.
    """
    view, at = Table(title=title), ""
    for heading in HEADINGS:
        view.add_column(heading, justify="left" if heading in HEADINGS[:2] else "right")
    for row in found.rows:
        if at and row.at != at:
            view.add_section()
        at = row.at
        variances = [_plus_minus(v.value, v.se) for v in row.variance.values()]
        view.add_row(
            label(row),
            row.at,
            _p_value(row),
            _relative(row),
            *variances,
            f"{row.snr:.3g}",
            str(row.evaluations),
            f"{row.seconds * 1e3:.2f}",
            f"{row.cost:.3g}",
        )
    return view


def label(row: GradientRow) -> str:
    """Name of an estimator, with its temperature."""
    return row.objective if row.temperature is None else f"{row.objective} {row.temperature:g}"


def _p_value(row: GradientRow) -> str:
    if row.bias_p_value is None:
        return "-"
    text = f"{row.bias_p_value:.2g}"
    return f"[red]{text}[/red]" if row.biased else text


def _relative(row: GradientRow) -> str:
    if row.bias is None:
        return "-"
    return _plus_minus(row.bias["relative"], row.bias["relative_se"])


def _plus_minus(value: float, se: float) -> str:
    """Two digits of the error, and as many of the value."""
    if not se > 0:
        return f"{value:.3g}"
    power = math.floor(math.log10(max(value, se)))
    if -3 <= power < 5:
        digits = max(0, 1 - math.floor(math.log10(se)))
        return f"{value:.{digits}f} ± {se:.{digits}f}"
    digits = max(0, power - math.floor(math.log10(se)) + 1)
    return f"({value / 10**power:.{digits}f} ± {se / 10**power:.{digits}f})e{power}"


def write_gradients(found: Gradients, folder: str | Path) -> Path:
    """Writes `gradients.json`, `variance.png`, and `temperature.png` of relaxed estimators.

    Returns:
        The folder.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    record = provenance(found.task.data) | {
        "model": found.task.name,
        "settings": found.settings,
        "rows": [asdict(row) for row in found.rows],
        "mismatches": found.mismatches,
    }
    (out / "gradients.json").write_text(json.dumps(record, indent=2))
    if any(row.variance["total"].value > 0 for row in found.rows):
        variance_picture(found, out / "variance.png")
    if len({row.temperature for row in found.rows if row.temperature is not None}) > 1:
        temperature_picture(found, out / "temperature.png")
    return out


def variance_picture(found: Gradients, path: Path) -> Path:
    """Variance of a gradient against its cost; on a grey line variance times cost is the same."""
    places = list(dict.fromkeys(row.at for row in found.rows))
    picture, axes = plt.subplots(
        len(places),
        len(PANELS),
        figsize=(6 * len(PANELS), 6.5 * len(places)),
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
    _legend(axes[0][0])
    picture.canvas.draw()  # places the axes, and so the points
    for axis, rows, group, cost in panels:
        _names(axis, rows, group, cost)
    return _saved(picture, path)


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
        colour, fill = _colours(row)
        error = min(row.variance[group].se, 0.9 * y)
        axis.errorbar(x, y, error, fmt="o", ms=6, capsize=3, color=colour, mfc=fill)
    low, high = points.min(0), points.max(0)
    axis.set(xlim=(low[0] / 1.5, high[0] * 4), ylim=(low[1] / 2, high[1] * 2))
    ends = np.array([low[0] / 1.5, high[0] * 4])
    for power in range(math.floor(math.log10(low.prod())) - 2, 30):
        axis.plot(ends, 10.0**power / ends, color="0.88", lw=0.8, zorder=0)
    ticks = sorted({x for x, _ in points}) if cost == EVALUATIONS else ROUND
    axis.set_xticks([x for x in ticks if ends[0] < x < ends[1]])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")


def _colours(row: GradientRow) -> tuple[str, str]:
    """Line and fill: filled where no bias was found, hollow and red where there is one."""
    if row.biased is None:
        return "0.5", "0.5"
    return ("C3", "white") if row.biased else ("C0", "C0")


def _legend(axis: Axes) -> None:
    axis.plot([], [], "o", color="C0", label="no bias found")
    axis.plot([], [], "o", color="C3", mfc="white", label="biased")
    axis.plot([], [], "o", color="0.5", label="exact gradient not known")
    axis.legend(fontsize="small", loc="best")


def _names(axis: Axes, rows: Sequence[GradientRow], group: str, cost: str) -> None:
    """Writes each name beside its point, moved up where it would cover another."""
    points = _points(rows, group, cost)
    if not points:
        return
    texts = [label(row) for row in _noisy(rows, group)]
    pixels = axis.transData.transform(points)
    taken = [(x - 5, x + 5, y) for x, y in pixels]
    for i in np.lexsort((pixels[:, 0], pixels[:, 1])):
        left, level = pixels[i][0] + 14, pixels[i][1]
        right = left + 6.5 * len(texts[i])
        while any(left < b and a < right and abs(level - y) < 13 for a, b, y in taken):
            level += 1
        taken.append((left, right, level))
        axis.annotate(
            texts[i],
            points[i],
            xytext=(14 * POINT, (level - pixels[i][1]) * POINT),
            textcoords="offset points",
            fontsize=8,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.6},
        )


def temperature_picture(found: Gradients, path: Path) -> Path:
    """Bias and variance of relaxed estimators over temperature, and the best unbiased variance."""
    places = list(dict.fromkeys(row.at for row in found.rows))
    picture, axes = plt.subplots(
        len(places), 2, figsize=(11, 4.2 * len(places)), layout="constrained", squeeze=False
    )
    for (left, right), place in zip(axes, places, strict=True):
        rows = [row for row in found.rows if row.at == place]
        for number, name in enumerate(dict.fromkeys(row.objective for row in rows if _hot(row))):
            curve = sorted(
                (row for row in rows if row.objective == name), key=lambda r: r.temperature or 0
            )
            taus = [row.temperature for row in curve]
            known = [row.bias or {"relative": math.nan, "relative_se": 0.0} for row in curve]
            off = [Value(one["relative"], one["relative_se"]) for one in known]
            _curve(left, taus, off, name, number)
            _curve(right, taus, [row.variance["encoder"] for row in curve], name, number)
        _best(right, rows)
        left.set(xlabel="temperature", ylabel="norm of bias / norm of exact gradient", title=place)
        right.set(xlabel="temperature", ylabel="variance, encoder, (nats per unit)²", title=place)
        left.set(xscale="log", ylim=(0, None))
        right.set(xscale="log", yscale="log")
        for axis in (left, right):
            axis.set_xticks(sorted({row.temperature for row in rows if row.temperature}))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter("")
        left.legend(fontsize="small")
    return _saved(picture, path)


def _curve(
    axis: Axes, taus: Sequence[float | None], values: Sequence[Value], name: str, number: int
) -> None:
    axis.errorbar(
        taus,  # type: ignore[arg-type]
        [one.value for one in values],
        [one.se for one in values],
        marker="o",
        ms=4,
        capsize=3,
        label=name,
        color=f"C{number}",
    )


def _hot(row: GradientRow) -> bool:
    return row.temperature is not None


def _best(axis: Axes, rows: Sequence[GradientRow]) -> None:
    """A line at the least variance among the unbiased."""
    noisy = [row for row in _noisy(rows, "encoder") if not _hot(row)]
    fair = [row for row in noisy if row.biased is False]
    if fair:
        best = min(fair, key=lambda row: row.variance["encoder"].value)
        axis.axhline(
            best.variance["encoder"].value,
            color="0.4",
            ls="--",
            lw=1,
            label=f"{label(best)}, unbiased",
        )
        axis.legend(fontsize="small")


def _saved(picture: Picture, path: Path) -> Path:
    picture.savefig(path, dpi=110)
    plt.close(picture)
    return path
