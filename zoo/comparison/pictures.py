"""Pictures of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor

from zoo.comparison.aggregate import Cell, Summary
from zoo.device import to_device
from zoo.isolation import isolated
from zoo.protocols import Descends, HasMean
from zoo.results.loss_plot import smoothed
from zoo.results.result import Fit
from zoo.results.shown import loss_rows
from zoo.sampling.draws import draw, draw_prior

BOUNDS, MARKERS = ("elbo", "iwae_10", "iwae_100", "log_evidence"), "osD^"
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


@dataclass(frozen=True)
class LossCurve:
    """The loss of one run.

    Attributes:
        guide: its name.
        objective: its name.
        losses: at every step, in `unit`, shape (steps,).
        unit: "nats/row" or "nats".
    """

    guide: str
    objective: str
    losses: np.ndarray
    unit: str


def curve_of(result: Fit, guide: str = "", objective: str = "") -> LossCurve:
    """The loss of a fit, for each row where rows have latents of their own."""
    rows = loss_rows(result)
    losses = result.losses.double().numpy() / rows
    return LossCurve(guide, objective, losses, "nats/row" if rows > 1 else "nats")


def loss_figure(curves: Sequence[LossCurve]) -> Picture:
    """Loss curves, smoothed over up to 50 steps: an axis for each objective, a colour a guide.

    Objectives are other bounds, or no bounds at all, so that their losses share no axis.
    """
    objectives = list(dict.fromkeys(curve.objective for curve in curves))
    guides = list(dict.fromkeys(curve.guide for curve in curves))
    picture, axes = plt.subplots(
        1,
        len(objectives),
        figsize=(max(6.0, 3.8 * len(objectives)), 3.6),
        layout="constrained",
        squeeze=False,
    )
    for axis, objective in zip(axes[0], objectives, strict=True):
        own = [curve for curve in curves if curve.objective == objective]
        for number, curve in enumerate(own):
            ends, smooth = smoothed(curve.losses)
            first = curve.guide not in [other.guide for other in own[:number]]
            axis.plot(
                ends,
                smooth,
                color=colour(guides.index(curve.guide)),
                label=curve.guide if first else None,
                lw=1,
            )
        axis.set(title=objective, xlabel="step", ylabel=f"loss ({own[0].unit})")
    if any(guides):
        axes[0][0].legend(fontsize="small")
    return picture


def colour(number: int) -> str:
    """A colour that the colour-blind can tell from its neighbours (Okabe & Ito 2008)."""
    return OKABE_ITO[number % len(OKABE_ITO)]


def bound_figure(summaries: Sequence[Summary], exact: Cell | None) -> Picture:
    """The bounds of each pair on one line, from the ELBO up to the estimate of log p(x).

    Bars are two standard errors. A short line is a guide close to the posterior of its model.
    """
    names = [name for name in BOUNDS if any(name in summary.cells for summary in summaries)]
    picture, axis = plt.subplots(figsize=(7, 1.2 + 0.36 * len(summaries)), layout="constrained")
    for number, name in enumerate(names):
        own = [(i, s.cells[name]) for i, s in enumerate(summaries) if name in s.cells]
        axis.errorbar(
            [cell.value for _, cell in own],
            [line for line, _ in own],
            xerr=[2 * cell.se for _, cell in own],
            fmt=MARKERS[number],
            color=colour(number),
            label=name,
            capsize=2,
            ms=5,
            lw=1,
        )
    if exact is not None:
        axis.axvline(exact.value, color="0.4", lw=1, ls="--", label="exact log p(x)")
    labels = [f"{summary.guide}, {summary.objective}" for summary in summaries]
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()
    unit = next((s.cells[name].unit for s in summaries for name in names if name in s.cells), "")
    axis.set(xlabel=unit)
    axis.margins(y=0.12)
    axis.grid(axis="y", color="0.9")
    picture.legend(loc="outside upper center", ncols=len(names) + 1, fontsize="small")
    return picture


def image_figure(result: Fit, count: int = 24) -> Picture | None:
    """Samples from the model beside test rows and their reconstructions; None without images."""
    from torchvision.utils import make_grid  # torchvision takes two seconds to import

    shape = result.task.data.image
    if shape is None or not isinstance(result.model, HasMean) or not result.latents.rowwise:
        return None
    with isolated(seed=0), torch.no_grad():
        panels = _panels(result, count)
    picture, axes = plt.subplots(
        1, len(panels), figsize=(4 * len(panels), 3.2), layout="constrained"
    )
    for axis, (title, images) in zip(axes, panels.items(), strict=True):
        grid = make_grid(images.reshape(-1, 1, *shape).float().cpu(), nrow=6, pad_value=0.5)
        axis.imshow(grid[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set(title=title, xticks=[], yticks=[])
    return picture


def _panels(result: Fit, count: int) -> dict[str, Tensor]:
    assert isinstance(result.model, HasMean)
    split = "test" if result.task.data.test and result.amortised else "train"
    args = tuple(to_device(arg, result.device) for arg in result.task.scoring_args(split))
    model, names = result.model, result.latents.names[:1]
    names = model.names if isinstance(model, Descends) else names
    posterior = draw(result.program, args, 1, rows=count).latents
    panels = {"data": args[0][:count]}
    if set(names) <= set(posterior):
        panels["reconstructions"] = model.mean(*(posterior[name][0] for name in names))
    prior = draw_prior(result.program, args, rows=count)
    return panels | {"samples": model.mean(*(prior[name] for name in names))}


def png(picture: Picture) -> bytes:
    """The picture as PNG; it is closed."""
    file = BytesIO()
    picture.savefig(file, dpi=110)
    plt.close(picture)
    return file.getvalue()
