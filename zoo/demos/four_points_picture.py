"""The picture of the four points: prior, guides' posteriors, exact posteriors, and bounds."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from torch import Tensor

from zoo.demos.four_points import (
    GRID_END,
    Findings,
    gain,
    log_joint,
    over_seeds,
    posterior_draws,
)
from zoo.figure_style import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILLION,
    in_style,
    legend_above,
    look_of,
    save_figure,
)
from zoo.isolation import isolated
from zoo.metrics.metric import plus_minus
from zoo.results.result import Fit

ROW_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE)
ELBO, EXACT = look_of("elbo").colour, look_of("exact_log_evidence").colour
AXIS_END = 3.6
DRAWS = 2500  # for each row
DECIMALS = 3


@in_style
def draw_four_points(found: dict[str, Findings], path: Path) -> Path:
    """Draws the picture and returns its path.

    The first column has the prior and the bounds; each guide has a column with its draws above and
    the exact posteriors of its model, by quadrature, below.
    """
    columns = len(found) + 1
    picture, axes = plt.subplots(2, columns, figsize=(3.3 * columns, 7.6), layout="constrained")
    _prior(axes[0, 0])
    _bounds(axes[1, 0], found)
    for j, (name, shown) in enumerate(found.items(), start=1):
        _draws(axes[0, j], shown.best)
        axes[0, j].set_title(f"{name}: draws of $q(z \\mid x_n)$\n{_which(shown)}")
        _exact(axes[1, j], shown.best)
        axes[1, j].set_title(f"its model: exact $p(z \\mid x_n)$\n{_gap(shown)}")
    legend_above(picture, [axes[1, 0]])
    return save_figure(picture, path, dpi=130)[0]


def _which(shown: Findings) -> str:
    elbo = max(metric.value for metric in shown.elbo)
    return f"best of {len(shown.elbo)} seeds, ELBO {elbo:.3f} nats/row"


def _gap(shown: Findings) -> str:
    """The gap and its split, means over seeds."""
    parts = {
        "gap": shown.gap,
        "approximation": [part.approximation for part in shown.splits],
        "amortisation": [part.amortisation for part in shown.splits],
    }
    means = {name: over_seeds(metrics) for name, metrics in parts.items()}
    gap, family, encoder = (
        f"{name} {plus_minus(m.value, m.se, digits=DECIMALS)}" for name, m in means.items()
    )
    return f"over seeds: {gap} nats/row\n{family}\n{encoder}"


def _plane(axis: Axes) -> None:
    turn = np.linspace(0, 2 * np.pi, 200)
    for radius in (1, 2, 3):
        axis.plot(
            radius * np.cos(turn), radius * np.sin(turn), color="0.35", lw=0.8, ls=":", zorder=4
        )
    axis.set(
        xlim=(-AXIS_END, AXIS_END),
        ylim=(-AXIS_END, AXIS_END),
        aspect="equal",
        xticks=[],
        yticks=[],
    )
    axis.set(xlabel="$z_1$", ylabel="$z_2$")


def _prior(axis: Axes) -> None:
    with isolated(seed=0):
        z = torch.randn(4 * DRAWS, 2)
    axis.scatter(
        z[:, 0].numpy(),
        z[:, 1].numpy(),
        s=2,
        color=GREY,
        alpha=0.35,
        linewidths=0,
        rasterized=True,
    )
    axis.set_title("the prior: draws of $p(z)$")
    _plane(axis)


def _draws(axis: Axes, result: Fit) -> None:
    z = posterior_draws(result, DRAWS)
    order = torch.randperm(z[..., 0].numel(), generator=torch.Generator().manual_seed(0))
    colours = np.tile(np.array(ROW_COLOURS), DRAWS)[order.numpy()]
    points = z.reshape(-1, 2)[order].numpy()
    axis.scatter(
        points[:, 0], points[:, 1], s=2.5, c=colours, alpha=0.45, linewidths=0, rasterized=True
    )
    _numbers(axis, z.mean(0))
    _plane(axis)


def _exact(axis: Axes, result: Fit) -> None:
    log = log_joint(result)
    density = (log - log.flatten(1).logsumexp(1)[:, None, None]).exp()
    share = (density / density.sum(0).max()).sqrt().mT.flip(1).numpy()
    ink = np.stack([1 - np.array(to_rgb(c)) for c in ROW_COLOURS])
    image = 1 - np.einsum("nij,nc->ijc", share, ink).clip(0, 1)
    axis.imshow(image, extent=(-GRID_END, GRID_END, -GRID_END, GRID_END), interpolation="bilinear")
    line = torch.linspace(-GRID_END, GRID_END, density.shape[1], dtype=torch.float64)
    mean = [(density.sum(2) @ line), (density.sum(1) @ line)]
    _numbers(axis, torch.stack(mean, dim=1))
    _plane(axis)


def _numbers(axis: Axes, places: Tensor) -> None:
    for n, (x, y) in enumerate(places.tolist()):
        axis.text(
            x,
            y,
            f"$x_{n + 1}$",
            ha="center",
            va="center",
            fontsize=11,
            zorder=5,
            bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": ROW_COLOURS[n], "alpha": 0.85},
        )


def _bounds(axis: Axes, found: dict[str, Findings]) -> None:
    for i, shown in enumerate(found.values()):
        places = i + np.linspace(-0.32, 0.22, len(shown.elbo))
        exact, elbo = ([e.value for e in part] for part in (shown.log_evidence, shown.elbo))
        axis.vlines(places, elbo, exact, color="0.8", lw=2, zorder=1)
        axis.scatter(places, exact, marker="_", color=EXACT, s=22, zorder=3)
        axis.scatter(places, elbo, s=9, color=ELBO, zorder=3)
        for metrics, colour in ((shown.log_evidence, EXACT), (shown.elbo, ELBO)):
            mean = over_seeds(metrics)
            axis.errorbar(i + 0.34, mean.value, 2 * mean.se, fmt="o", ms=4, color=colour)
    axis.scatter([], [], marker="_", color=EXACT, s=60, label=r"exact $\log p(x)$ of a seed")
    axis.scatter([], [], s=20, color=ELBO, label="ELBO of a seed")
    axis.errorbar([], [], [], fmt="o", ms=4, color=GREY, label="mean over seeds ± 2 se")
    axis.set_xticks(range(len(found)), list(found))
    axis.set(xlim=(-0.5, len(found) - 0.5), ylabel="nats/row", title=_gained(found))
    axis.set_box_aspect(1)


def _gained(found: dict[str, Findings]) -> str:
    """The title: by how much the ELBO of the last guide is above that of the first."""
    first, *_, last = (*found.values(), *found.values())
    count = len(first.elbo)
    if len(found) == 1:
        return f"bounds, one line a seed ({count})"
    more = gain(first, last)
    gained = plus_minus(more.value, more.se, digits=DECIMALS)
    return f"{count} seeds, one line each; ELBO gain\n{gained} nats/row"
