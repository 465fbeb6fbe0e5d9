"""Pictures of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor

from zoo.comparison.aggregate import Cell, Summary
from zoo.device import to_device
from zoo.figure_style import GREY, in_style, legend_above, look_of, looks
from zoo.isolation import isolated
from zoo.protocols import Descends, HasMean
from zoo.results.loss_plot import smoothed
from zoo.results.result import Fit
from zoo.results.shown import loss_rows
from zoo.sampling.draws import draw, draw_prior

BOUNDS = ("elbo", "iwae_10", "iwae_100", "log_evidence")
PANELS_A_ROW = 3


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


@in_style
def loss_figure(curves: Sequence[LossCurve]) -> Picture:
    """Loss curves, smoothed over up to 50 steps: an axis for each objective, a colour a guide.

    Objectives are other bounds, or no bounds at all, so that their losses share no axis. The
    highest tenth of the losses may lie above an axis, so that the ends can be told apart. A guide
    that was found without steps has one loss, a level line.
    """
    objectives = list(dict.fromkeys(curve.objective for curve in curves))
    look = looks(curve.guide for curve in curves)
    columns = min(PANELS_A_ROW, len(objectives))
    rows = -(-len(objectives) // columns)
    picture, axes = plt.subplots(
        rows,
        columns,
        figsize=(max(6.0, 3.4 * columns), 0.6 + 2.8 * rows),
        layout="constrained",
        squeeze=False,
    )
    for spare in axes.flat[len(objectives) :]:
        spare.remove()
    for axis, objective in zip(axes.flat, objectives, strict=False):
        own = [curve for curve in curves if curve.objective == objective]
        for curve in own:
            style = {"color": look[curve.guide].colour, "ls": look[curve.guide].line}
            if len(curve.losses) == 1:  # found without steps
                axis.axhline(curve.losses[0], lw=1.2, label=curve.guide or None, **style)
                continue
            ends, smooth = smoothed(curve.losses)
            axis.plot(ends, smooth, lw=1.2, label=curve.guide or None, **style)
        smoothest = np.concatenate([smoothed(curve.losses)[1] for curve in own])
        low, high = smoothest.min(), np.quantile(smoothest, 0.9)
        if np.isfinite(high) and high > low:
            axis.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        axis.set(title=objective, xlabel="step", ylabel=f"loss, {own[0].unit}")
    legend_above(picture, axes.flat[: len(objectives)])
    return picture


@in_style
def bound_figure(summaries: Sequence[Summary], exact: Cell | None) -> Picture:
    """The bounds of each pair on one line, from the ELBO up to the estimate of log p(x).

    Bars are two standard errors. A short line is a guide close to the posterior of its model.
    """
    names = [name for name in BOUNDS if any(name in summary.cells for summary in summaries)]
    picture, axis = plt.subplots(figsize=(7, 1.3 + 0.34 * len(summaries)), layout="constrained")
    for number, name in enumerate(names):
        own = [(i, s.cells[name]) for i, s in enumerate(summaries) if name in s.cells]
        look = look_of(name)
        axis.errorbar(
            [cell.value for _, cell in own],
            [line + 0.1 * (number - (len(names) - 1) / 2) for line, _ in own],
            xerr=[2 * cell.se for _, cell in own],
            fmt=look.marker,
            color=look.colour,
            label=name,
            lw=1,
        )
    if exact is not None:
        axis.axvline(exact.value, color=GREY, lw=1, ls="--", label="exact log p(x)")
    labels = [f"{summary.guide}, {summary.objective}" for summary in summaries]
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    unit = next((s.cells[name].unit for s in summaries for name in names if name in s.cells), "")
    axis.set(xlabel=f"bound, {unit} (bars: ± 2 standard errors)")
    axis.grid(axis="y")
    legend_above(picture, [axis])
    return picture


@in_style
def image_figure(result: Fit, count: int = 24) -> Picture | None:
    """Samples from the model beside test rows and their reconstructions; None without images.

    Where nothing is latent there are no reconstructions.
    """
    from torchvision.utils import make_grid  # torchvision takes two seconds to import

    shape = result.task.data.image
    shows = isinstance(result.model, HasMean) or not result.latents.sites
    if shape is None or not shows or not result.latents.rowwise:
        return None
    with isolated(seed=0), torch.no_grad():
        panels = _panels(result, count)
    picture, axes = plt.subplots(
        1, len(panels), figsize=(3.4 * len(panels), 2.6), layout="constrained"
    )
    for axis, (title, images) in zip(axes, panels.items(), strict=True):
        grid = make_grid(images.reshape(-1, 1, *shape).float().cpu(), nrow=6, pad_value=0.5)
        axis.imshow(grid[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set(title=title, xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return picture


def _panels(result: Fit, count: int) -> dict[str, Tensor]:
    split = "test" if result.task.data.test and result.amortised else "train"
    args = tuple(to_device(arg, result.device) for arg in result.task.scoring_args(split))
    if not result.latents.sites:
        (drawn,) = result.sample(count).values()
        return {f"{split} rows": args[0][:count], "samples from the model": drawn}
    model, names = result.model, result.latents.names[:1]
    assert isinstance(model, HasMean)
    names = model.names if isinstance(model, Descends) else names
    posterior = draw(result.program, args, 1, rows=count).latents
    panels = {f"{split} rows": args[0][:count]}
    if set(names) <= set(posterior):
        panels["their reconstructions"] = model.mean(*(posterior[name][0] for name in names))
    if result.latents.energy_units:  # states of Gibbs chains: its prior has no exact draws
        prior = result.sample(count)
    else:
        prior = draw_prior(result.program, args, rows=count)
    return panels | {"samples from the model": model.mean(*(prior[name] for name in names))}
