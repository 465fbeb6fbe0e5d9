"""A ladder of autoencoders on one data set at one budget: what each refinement gains.

Every variant is the same number of steps of the same batches. The first four change one thing at a
time; the hierarchy and the PixelVAE are other models. Scored on test rows by the one harness; the
gap is split on the first rows, where the variant's own family can be fitted to single rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torchvision.utils import make_grid

import guides
import zoo
from benchmarks.vaes import fits as vaes_fits
from zoo.figure_style import in_style, save_figure
from zoo.isolation import isolated
from zoo.objectives import Trace
from zoo.sampling.draws import draw_jointly, draw_predictive

DATA = "digits"
STEPS, ROWS = 6000, 60
METRICS = ("elbo", "iwae_100", "log_evidence", "k_hat", "ess")
SHOWN, COLUMNS = 12, 2
PANELS = "ladder.npz"  # beside the results: what the picture shows
LINES = ("test rows", "reconstructions", "samples")


@dataclass(frozen=True)
class Variant:
    """A model with its parts, a guide, and the families that its gap is split over."""

    name: str
    model: str
    guide: Callable
    parts: dict = field(default_factory=dict)
    local: Callable | None = None


VARIANTS = (
    Variant("mean-field", "vae", guides.AmortisedNormal, local=guides.PerDatum),
    Variant("full covariance", "vae", guides.AmortisedFullRank, local=guides.PerDatumFullRank),
    Variant("IAF", "vae", guides.AmortisedIAF, local=guides.PerDatumIAF),
    Variant("IAF + VampPrior", "vae", guides.AmortisedIAF, {"prior": "vamp"}, guides.PerDatumIAF),
    Variant("hierarchical", "hvae", guides.TopDown, {"groups": (10, 10)}),
    Variant("PixelVAE", "vae", guides.AmortisedNormal, {"decoder": "pixel"}, guides.PerDatum),
)


def run(share: float, seeds: int, only: str, out: Path) -> Iterator[tuple[zoo.Task, dict]]:
    """Fits and scores every variant; samples of the first seed go into pictures."""
    panels: dict[str, torch.Tensor] = {}
    for variant in VARIANTS:
        if only in variant.name:
            task = zoo.load(variant.model, data=DATA, **variant.parts)
            for seed in range(seeds):
                fit, row = one_fit(variant, task, max(1, round(share * STEPS)), seed)
                yield task, {"variant": variant.name, "guide": variant.guide.__name__} | row
                if seed == 0:
                    panels |= pictures(variant.name, fit)
    if len(panels) == len(VARIANTS):
        store(panels, out / PANELS)


def one_fit(variant: Variant, task: zoo.Task, steps: int, seed: int) -> tuple[zoo.Fit, dict]:
    fit, row = vaes_fits.fitted(task, variant.guide, METRICS, steps=steps, seed=seed)
    if variant.local is not None:
        found = zoo.measure_gaps(
            fit, [variant.local], rows=ROWS, objective=Trace(16), split="test"
        )
        metrics = found.splits["test"].metrics()
        row |= {name.split("/")[0]: [g.value, g.se] for name, g in metrics.items()}
    return fit, row


def table(rows: list[dict]) -> str:
    """One line a variant: means over seeds, and half their range."""
    columns = [("ELBO", "elbo", 2), ("log p(x)", "log_evidence", 2)]
    columns += [("k-hat", "k_hat", 2), (f"gap, first {ROWS} rows", "inference", 2)]
    columns += [(f"of it {part}", part, 2) for part in ("approximation", "amortisation")]
    return vaes_fits.table_of(rows, "variant", columns)


def pictures(name: str, fit: zoo.Fit) -> dict[str, torch.Tensor]:
    """Test rows, one reconstruction of each, and rows from the model alone: (rows, D) each."""
    args = fit.task.split("test")
    with isolated(seed=0), torch.no_grad():
        again = draw_predictive(fit.program, args, 1, rows=SHOWN)["x"][0]
        _, fresh = draw_jointly(fit.program, args, 1, rows=SHOWN)
    shape = fit.task.data.image
    rows = torch.cat([args[0][:SHOWN], again, fresh["x"][0]]).float().cpu()
    return {name: rows.reshape(-1, 1, *shape)}  # type: ignore[misc]


def store(panels: dict[str, torch.Tensor], path: Path) -> None:
    """Keeps the grey levels of the panels, so that they can be drawn again."""
    levels = {name: (255 * images).round().to(torch.uint8) for name, images in panels.items()}
    np.savez_compressed(path, **{name: images.numpy() for name, images in levels.items()})


@in_style
def picture(stored: Path, path: Path) -> None:
    """A panel a variant: data, reconstructions and samples, a line of each."""
    panels = {name: torch.from_numpy(images) / 255 for name, images in np.load(stored).items()}
    lines = -(-len(panels) // COLUMNS)
    drawn, axes = plt.subplots(
        lines, COLUMNS, figsize=(9, 1.32 * lines), layout="constrained", squeeze=False
    )
    for number, (axis, (name, images)) in enumerate(zip(axes.flat, panels.items(), strict=False)):
        grid = make_grid(images, nrow=SHOWN, pad_value=0.5, padding=1)
        axis.imshow(grid[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        side = images.shape[-1] + 1
        heights = [side * (place + 0.5) for place in range(len(LINES))]
        axis.set_yticks(heights, LINES if number % COLUMNS == 0 else [""] * len(LINES))
        axis.tick_params(length=0)
        axis.set(title=name, xticks=[])
        axis.spines[:].set_visible(False)
    for spare in axes.flat[len(panels) :]:
        spare.remove()
    save_figure(drawn, path)
