"""Pictures of densities of the plane: what each flow says, and what it draws."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from zoo.figure_style import BLUE, in_style, save_figure

PIXELS, ROOM = 120, 0.15  # of a side, and the share of it beside the data
SIDE = 1.25  # inches of a panel


class Panel(NamedTuple):
    """A density on a grid, draws, and the place that both are shown in."""

    density: Tensor
    draws: Tensor
    place: tuple[float, float, float, float]


def panel(log_density: Callable[[Tensor], Tensor], draws: Tensor, train: Tensor) -> Panel:
    """What is shown of a density: (rows, 2) -> nats, over the place of the training rows."""
    low, high = train.amin(0), train.amax(0)
    low, high = low - ROOM * (high - low), high + ROOM * (high - low)
    sides = [torch.linspace(float(a), float(b), PIXELS) for a, b in zip(low, high, strict=True)]
    density = log_density(torch.cartesian_prod(*sides)).exp().reshape(PIXELS, PIXELS).mT
    place = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    return Panel(density, draws, place)


@in_style
def draw(panels: Mapping[str, Mapping[str, Panel]], folder: Path) -> None:
    """Writes flows_densities.png and flows_samples.png: a row for each data set."""
    for name, show in (("densities", _density), ("samples", _samples)):
        columns = list(next(iter(panels.values())))
        picture, axes = plt.subplots(
            len(panels),
            len(columns),
            figsize=(SIDE * len(columns), SIDE * len(panels) + 0.3),
            layout="constrained",
            squeeze=False,
        )
        for line, (data, row) in zip(axes, panels.items(), strict=True):
            line[0].set_ylabel(data)
            for axis, model in zip(line, columns, strict=True):
                show(axis, row[model], float(row["truth"].density.max()))
                axis.set(xticks=[], yticks=[])
        for axis, model in zip(axes[0], columns, strict=True):
            axis.set_title(model)
        save_figure(picture, folder / f"flows_{name}.png")


def _density(axis: Axes, shown: Panel, highest: float) -> None:
    """On one scale in a row: the density of the truth's highest point is the darkest."""
    axis.imshow(
        shown.density.cpu().numpy(),
        extent=shown.place,
        origin="lower",
        cmap="Blues",
        vmin=0.0,
        vmax=highest,
        aspect="auto",
    )


def _samples(axis: Axes, shown: Panel, highest: float) -> None:
    x, y = shown.draws.cpu().mT.numpy()
    axis.scatter(x, y, s=0.3, color=BLUE, linewidths=0, rasterized=True)
    axis.set(xlim=shown.place[:2], ylim=shown.place[2:])
