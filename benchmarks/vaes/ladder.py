"""A ladder of autoencoders on one data set at one budget: what each refinement gains.

Every variant is the same number of steps of the same batches. The first four change one thing at a
time; the hierarchy and the PixelVAE are other models. Scored on test rows by the one harness; the
gap is split on the first rows, where the variant's own family can be fitted to single rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torchvision.utils import make_grid

import guides
import zoo
from benchmarks.vaes import fits as vaes_fits
from zoo.isolation import isolated
from zoo.objectives import Trace
from zoo.sampling.draws import draw_jointly, draw_predictive

DATA = "digits"
STEPS, ROWS = 6000, 60
METRICS = ("elbo", "iwae_100", "log_evidence", "k_hat", "ess")
SHOWN = 12


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
        picture(panels, out / "ladder.png")


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


def picture(panels: dict[str, torch.Tensor], path: Path) -> None:
    """A panel a variant: data, reconstructions and samples, a line of each."""
    drawn, axes = plt.subplots(
        2, (len(panels) + 1) // 2, figsize=(14, 4.2), layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (name, images) in zip(axes.flat, panels.items(), strict=False):
        grid = make_grid(images, nrow=SHOWN, pad_value=0.5)
        axis.imshow(grid[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(name)
    drawn.suptitle("test rows, one reconstruction of each, samples from the model")
    drawn.savefig(path, dpi=110)
    plt.close(drawn)
