"""Tables and pictures of a comparison."""

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure as Picture
from rich.table import Table
from torch import Tensor

from zoo.comparison.aggregate import Cell, Summary, is_best
from zoo.device import to_device
from zoo.files import write_whole
from zoo.isolation import isolated
from zoo.protocols import Descends, HasMean
from zoo.results.result import Fit
from zoo.sampling.draws import draw, draw_prior

SMOOTHING = 50
COLUMNS = ("elbo", "iwae_10", "iwae_100", "log_evidence", "exact_log_evidence", "gap", "k_hat")


def table(summaries: Sequence[Summary], exact: Cell | None, title: str) -> Table:
    """One line a pair of guide and objective, over seeds; bold where error bars separate.

    Args:
        summaries: see :func:`zoo.comparison.aggregate.summarise`.
        exact: the exact log evidence, if one number serves all lines.
        title: above the table.
    """
    columns = [name for name in COLUMNS if exact is None or name != "exact_log_evidence"]
    found = [name for name in columns if any(name in summary.cells for summary in summaries)]
    view = Table(title=title)
    for heading in ("guide", "objective"):
        view.add_column(heading, overflow="fold")
    for name in found:
        unit = next(s.cells[name].unit for s in summaries if name in s.cells)
        view.add_column(f"{name}\n[dim]{unit}[/dim]", justify="right", overflow="fold")
    view.add_column("fit\n[dim]seconds[/dim]", justify="right")
    for summary in summaries:
        cells = [_shown(name, summary, summaries) for name in found]
        view.add_row(summary.guide, summary.objective, *cells, f"{summary.seconds:.1f}")
    if exact is not None:
        view.add_section()
        view.add_row("exact log p", "", f"{exact.value:.4f}")
    return view


def _shown(name: str, summary: Summary, summaries: Sequence[Summary]) -> str:
    if name not in summary.cells:
        return "-"
    cell = summary.cells[name]
    digits = max(0, 1 - math.floor(math.log10(cell.se))) if cell.se > 0 else 4
    text = f"{cell.value:.{digits}f} ± {cell.se:.{digits}f}" if cell.se else f"{cell.value:.4f}"
    baselines = [other.cells[name] for other in summaries if name in other.cells]
    return f"[bold]{text}[/bold]" if is_best(cell, baselines) else text


def loss_picture(fits: dict[str, Fit], path: Path) -> Path:
    """Loss curves of several fits, smoothed over 50 steps; seeds of one pair share a colour."""
    picture, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    pairs = list(dict.fromkeys(name.rsplit("-seed", 1)[0] for name in fits))
    unlabelled = set(pairs)
    for name, result in fits.items():
        rows = result.task.data.rows if result.latents.rowwise else 1
        losses = result.losses.double().numpy() / rows
        window = min(SMOOTHING, len(losses))
        smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
        pair = name.rsplit("-seed", 1)[0]
        colour, label = f"C{pairs.index(pair)}", pair if pair in unlabelled else None
        unlabelled.discard(pair)
        axes.plot(np.arange(window, len(losses) + 1), smooth, color=colour, label=label, lw=1)
    axes.set(xlabel="step", ylabel="loss (nats/row)" if rows > 1 else "loss (nats)")
    axes.legend(fontsize="small")
    return _saved(picture, path)


def image_picture(result: Fit, path: Path, count: int = 24) -> Path | None:
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
    return _saved(picture, path)


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


def _saved(picture: Picture, path: Path) -> Path:
    file = BytesIO()
    picture.savefig(file, dpi=110)
    plt.close(picture)
    return write_whole(path, file.getvalue())
