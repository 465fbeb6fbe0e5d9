"""Pictures of the arena: errors of every guide on every posterior, and draws in the plane."""

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Picture

from benchmarks.posteriors.fits import Row, is_judged, is_wrong, says_well
from benchmarks.posteriors.targets import TARGETS, Target, truth_of
from guides import GUIDES
from zoo.figure_style import BLUE, GREY, in_style, save_figure
from zoo.isolation import isolated
from zoo.normals.log_density import LogDensity
from zoo.program.guideless import without_guide

SIDE, WIDE = 160, 2.8  # points of a grid each way, and how far it reaches, in posterior sds
LEVELS = (0.5, 2.0, 4.0, 6.0)  # nats below the highest point
DARK = 0.55  # of the colour scale, from which on text is white
LEAST, MOST = 0.01, 3.0  # errors at the ends of the scale of colours


def names_in(rows: list[Row]) -> tuple[list[str], list[str]]:
    """The targets and the guides of the rows, each in the order of its table."""
    targets = {row["target"] for row in rows}
    guides = {row["guide"] for row in rows}
    return [t.name for t in TARGETS if t.name in targets], [g for g in GUIDES if g in guides]


def cells_of(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """(target, guide) -> the fits that were made and can be judged, of all seeds."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if is_judged(row):
            found.setdefault((row["target"], row["guide"]), []).append(row)
    return found


def worst_of(row: Row) -> float:
    """The largest error of a mean, in posterior sds, or of an sd, relative."""
    return max(row["mean_worst"], row["sd_worst"])


@in_style
def grid(record: dict[str, Any], path: Path) -> None:
    """Largest errors by target and guide, medians over seeds, with what the verdict said."""
    cells = cells_of(record["rows"])
    targets, guides = names_in([row for found in cells.values() for row in found])
    values = np.full((len(targets), len(guides)), np.nan)
    for (target, guide), found in cells.items():
        values[targets.index(target), guides.index(guide)] = median(map(worst_of, found))
    picture, axes = plt.subplots(figsize=(2.2 + 0.42 * len(guides), 1.4 + 0.3 * len(targets)))
    norm = LogNorm(LEAST, MOST, clip=True)
    image = axes.imshow(values, norm=norm, cmap="cividis_r", aspect="auto")
    for (target, guide), found in cells.items():
        place = guides.index(guide), targets.index(target)
        shade = norm(median(map(worst_of, found)))
        _write(axes, place, found, "white" if shade > DARK else "black")
    axes.set_xticks(range(len(guides)), guides, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(targets)), targets)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = picture.colorbar(image, ax=axes, fraction=0.03, pad=0.02)
    bar.set_label("largest error of a mean (posterior sds)\nor of an sd (relative)")
    picture.tight_layout()
    save_figure(picture, path)


def _write(axes: Axes, place: tuple[int, int], found: list[Row], colour: str) -> None:
    """A tick where the verdict trusts the draws of every seed; a cross where one is wrong then."""
    trusted = [row for row in found if says_well(row)]
    if any(map(is_wrong, trusted)):
        mark = "✗"
    elif len(trusted) == len(found):
        mark = "✓"
    else:
        mark = "·" if trusted else ""
    axes.text(*place, mark, ha="center", va="center", color=colour, fontsize=9)


@in_style
def planes(record: dict[str, Any], path: Path) -> None:
    """Densities of two latents as contours, and draws of each guide."""
    rows = [row for row in record["rows"] if "plane" in row]
    targets, guides = names_in(rows)
    shape = len(targets), len(guides)
    size = 1.35 * shape[1], 1.45 * shape[0]
    picture, axes = plt.subplots(*shape, figsize=size, squeeze=False)
    by_name = {target.name: target for target in TARGETS}
    for i, name in enumerate(targets):
        drawn = {row["guide"]: np.array(row["plane"]) for row in rows if row["target"] == name}
        grid_of = _contours(by_name[name])
        for j, guide in enumerate(guides):
            _panel(axes[i, j], grid_of, drawn.get(guide))
            if i == 0:
                axes[i, j].set_title(guide.replace("_", " "), fontsize=8)
        axes[i, 0].set_ylabel(name.replace("_", " "), fontsize=8)
    _tidy(picture)
    save_figure(picture, path)


def _tidy(picture: Picture) -> None:
    picture.tight_layout(w_pad=0.3, h_pad=0.3)


def _panel(axes: Axes, contours: tuple[np.ndarray, ...], drawn: np.ndarray | None) -> None:
    x, y, depth = contours
    axes.contour(x, y, depth, levels=LEVELS, colors=GREY, linewidths=0.7)
    if drawn is not None:
        axes.plot(drawn[:, 0], drawn[:, 1], ".", color=BLUE, markersize=2, alpha=0.6)
    axes.set_xlim(x.min(), x.max())
    axes.set_ylim(y.min(), y.max())
    axes.set_xticks([])
    axes.set_yticks([])


def _contours(target: Target) -> tuple[np.ndarray, ...]:
    """A grid around the true mean, and how far its log density is below the highest."""
    task = target.load()
    truth = truth_of(task)
    assert truth is not None
    pairs = [truth.sized(name) for name in truth.moments]
    mean, sd = (torch.cat([pair[i] for pair in pairs]).numpy() for i in (0, 1))
    x, y = (np.linspace(mean[k] - WIDE * sd[k], mean[k] + WIDE * sd[k], SIDE) for k in (0, 1))
    points = torch.tensor(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))
    with isolated(seed=0):
        args = tuple(task.scoring_args("train"))
        density = LogDensity(without_guide(task.build(), args), args)
        log_p = density(points).reshape(SIDE, SIDE).numpy()
    return x, y, log_p.max() - log_p
