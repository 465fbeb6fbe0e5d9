"""The picture of four points: prior, posteriors under each guide, and the exact ones."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from torch import Tensor

from zoo.isolation import isolated
from zoo.pictures.four_points import REACH, Shown, log_joint, over_seeds, posterior_draws
from zoo.result import Fit

COLOURS = ("#1b7fbd", "#e8622c", "#3a9d4b", "#8b4fb0")
SEEN, DRAWS, GREY = 3.6, 2500, "0.45"


def draw_four_points(found: dict[str, Shown], path: Path) -> Path:
    """Columns: the prior, then every guide; rows: draws, then exact posteriors by quadrature."""
    with plt.rc_context({"font.size": 10, "axes.titlesize": 11}):
        columns = len(found) + 1
        picture, axes = plt.subplots(
            2, columns, figsize=(3.7 * columns, 7.6), layout="constrained"
        )
        _prior(axes[0, 0])
        _bounds(axes[1, 0], found)
        for j, (name, shown) in enumerate(found.items(), start=1):
            _draws(axes[0, j], shown.fits[0])
            axes[0, j].set_title(f"{name}: draws of $q(z \\mid x_n)$")
            _exact(axes[1, j], shown.fits[0])
            axes[1, j].set_title(f"its model: exact $p(z \\mid x_n)$\ngap {_gap(shown)} nats/row")
        picture.savefig(path, dpi=130)
        plt.close(picture)
    return path


def _gap(shown: Shown) -> str:
    gap = over_seeds(shown.gap)
    return f"{gap.value:.3f} ± {gap.se:.3f}"


def _plane(axis: Axes) -> None:
    turn = np.linspace(0, 2 * np.pi, 200)
    for radius in (1, 2, 3):
        axis.plot(
            radius * np.cos(turn), radius * np.sin(turn), color="0.35", lw=0.8, ls=":", zorder=4
        )
    axis.set(xlim=(-SEEN, SEEN), ylim=(-SEEN, SEEN), aspect="equal", xticks=[], yticks=[])
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
    colours = np.tile(np.array(COLOURS), DRAWS)[order.numpy()]
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
    ink = np.stack([1 - np.array(to_rgb(c)) for c in COLOURS])
    image = 1 - np.einsum("nij,nc->ijc", share, ink).clip(0, 1)
    axis.imshow(image, extent=(-REACH, REACH, -REACH, REACH), interpolation="bilinear")
    line = torch.linspace(-REACH, REACH, density.shape[1], dtype=torch.float64)
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
            bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": COLOURS[n], "alpha": 0.85},
        )


def _bounds(axis: Axes, found: dict[str, Shown]) -> None:
    for i, shown in enumerate(found.values()):
        places = i + np.linspace(-0.16, 0.16, len(shown.elbo))
        for x, top, elbo in zip(places, shown.log_evidence, shown.elbo, strict=True):
            axis.plot([x, x], [elbo.value, top.value], color="0.75", lw=3, zorder=1)
        exact = [each.value for each in shown.log_evidence]
        axis.scatter(places, exact, marker="_", color="black", s=90, zorder=3)
        axis.scatter(places, [e.value for e in shown.elbo], s=26, color="#c0392b", zorder=3)
    axis.scatter([], [], marker="_", color="black", s=90, label=r"exact $\log p(x)$")
    axis.scatter([], [], s=26, color="#c0392b", label="ELBO")
    axis.plot([], [], color="0.75", lw=3, label="gap")
    axis.legend(loc="lower right", fontsize=9, frameon=False)
    axis.set_xticks(range(len(found)), list(found))
    axis.set(xlim=(-0.5, len(found) - 0.5), title="bounds, one line a seed", ylabel="nats/row")
    axis.set_box_aspect(1)
    axis.spines[["top", "right"]].set_visible(False)
