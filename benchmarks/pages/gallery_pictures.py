"""Pictures of the gallery's tables: a line for each setting, a dot with its error a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt


@dataclass(frozen=True)
class Dots:
    """What to draw of a section's rows.

    Attributes:
        head: the key of a row that names its setting.
        metrics: each drawn in a colour; "a.b" is metric b of group a, "a - b" a difference.
        label: of the axis, with its unit.
        log: is the axis logarithmic?
    """

    head: str
    metrics: Sequence[str]
    label: str
    log: bool = False


def draw(rows: Sequence[dict], dots: Dots, path: Path) -> None:
    """One line for each setting, the first on top."""
    settings = list(dict.fromkeys(row[dots.head] for row in rows))
    drawn, axis = plt.subplots(
        figsize=(8, 1.2 + 0.32 * len(settings)), layout="constrained", squeeze=True
    )
    for place, metric in enumerate(dots.metrics):
        points = [
            (*value_of(row, metric), settings.index(row[dots.head]))
            for row in rows
            if metric.partition(" - ")[0].split(".")[0] in row
        ]
        values, errors, heights = zip(*points, strict=True)
        lifted = [height + 0.12 * (place - (len(dots.metrics) - 1) / 2) for height in heights]
        axis.errorbar(values, lifted, xerr=errors, fmt="o", ms=4, label=metric.split(".")[-1])
    axis.set_yticks(range(len(settings)), settings)
    axis.invert_yaxis()
    axis.set_xlabel(dots.label)
    if dots.log:
        axis.set_xscale("log")
    axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize="small")
    drawn.savefig(path, dpi=110)
    plt.close(drawn)


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
