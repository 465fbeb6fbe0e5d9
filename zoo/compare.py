"""Guides x objectives x seeds on one task: train, score, tabulate, write down."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from guides import guide_named
from zoo.arviz_bridge import write_netcdf
from zoo.arviz_groups import arviz_groups
from zoo.budget import Curve, Leg, budget_picture, fit_within, steps_of
from zoo.evaluate import QUICKEST, Figures, evaluate
from zoo.fit import fit
from zoo.objectives import as_objective
from zoo.pairing import mismatch
from zoo.prepare import describe_task
from zoo.provenance import provenance
from zoo.report import image_picture, loss_picture
from zoo.result import Fit
from zoo.summary import Cell, Row, summarise
from zoo.task import Task


@dataclass
class Comparison:
    """What a comparison found.

    Attributes:
        task: what was compared on.
        rows: one for each run.
        fits: run name -> fit.
        mismatches: "guide x objective" -> why the pair does not go together.
        curves: the ELBO of each run on its way, where a budget was given.
    """

    task: Task
    rows: list[Row]
    fits: dict[str, Fit]
    mismatches: dict[str, str]
    curves: list[Curve] = field(default_factory=list)

    @property
    def exact(self) -> Cell | None:
        """The exact log evidence, where it is the same number for every run."""
        cells = [summary.cells.get("exact_log_evidence") for summary in summarise(self.rows)]
        same = cells and all(c and c.value == cells[0].value for c in cells)  # type: ignore[union-attr]
        return cells[0] if same else None


def compare(
    task: Task,
    guides: Sequence[str],
    objectives: Sequence[str],
    *,
    seeds: int = 1,
    steps: int | None = None,
    lr: float | None = None,
    batch_size: int | str | None = "auto",
    draws: int | None = None,
    device: str = "auto",
    compile: bool | str = "auto",
    progress: bool = False,
    budget: int | None = None,
) -> Comparison:
    """Fits and scores every pair of guide and objective that goes together, for each seed.

    Args:
        task: from :func:`zoo.load`.
        guides: names of ``guides.GUIDES``.
        objectives: names of ``zoo.objectives.OBJECTIVES``.
        seeds: number of seeds, 0 .. seeds - 1.
        steps: see :func:`zoo.fit`, and so the other settings.
        lr: learning rate.
        batch_size: rows in a step.
        draws: draws from the guide for each row, for scoring; see :func:`zoo.evaluate`.
        device: "auto", "cpu" or "cuda".
        compile: see :func:`zoo.fit`; compiled seeds of one pair run side by side.
        progress: show a bar for each run.
        budget: evaluations of f, for each row of the minibatch, that every run may use; the
            number of steps then follows from the objective. Runs take the plain path.

    Raises:
        ValueError: for an unknown name, before anything is trained; for steps and a budget.
    """
    families = {name: guide_named(name) for name in guides}
    for name in objectives:
        as_objective(name)
    if budget is not None and steps is not None:
        raise ValueError(
            f"Expected steps or a budget; got steps={steps}, budget={budget}. A budget is the "
            "steps times the evaluations of f that each takes."
        )
    latents = describe_task(task, batch_size)
    found, pairs = Comparison(task, [], {}, {}), list[tuple[str, str]]()
    for guide, family in families.items():
        for objective in objectives:
            sentence = mismatch(latents, family, as_objective(objective))
            if sentence:
                found.mismatches[f"{guide} x {objective}"] = sentence
                continue
            pairs.append((guide, objective))
            if budget is not None:
                steps_of(budget, objective, latents)
    for guide, objective in pairs:
        if budget is not None:
            leg = Leg(guide, families[guide], objective, lr, batch_size, device)
            runs = [fit_within(task, leg, budget, latents, seed=seed) for seed in range(seeds)]
            fits = [result for result, _ in runs]
            found.curves += [curve for _, curve in runs]
        else:
            fits = fit(
                task,
                families[guide],
                objective=objective,
                steps=steps,
                lr=lr,
                batch_size=batch_size,
                device=device,
                compile=compile,
                replicas=seeds,
                progress=progress,
            )
        for seed, result in enumerate(fits):
            found.fits[f"{guide}-{objective}-seed{seed}"] = result
            figures = evaluate(result, figures=QUICKEST, draws=draws, seed=seed)
            found.rows.append(row_of(result, figures, guide, objective))
    return found


def row_of(result: Fit, figures: Figures, guide: str, objective: str) -> Row:
    """The line of one run in `results.json`."""
    return Row(
        model=result.task.name,
        data=result.task.data.name,
        guide=guide,
        objective=objective,
        seed=result.settings.seed,
        steps=len(result.losses),
        seconds=result.seconds,
        path=result.path,
        stopped=result.stopped,
        figures=dict(figures),
        skipped=figures.skipped,
        verdict=figures.verdict,
    )


def write(found: Comparison, folder: str | Path) -> Path:
    """Writes `results.json`, an ArviZ file for each run, and the pictures.

    Returns:
        The folder.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    for name, result in found.fits.items():
        write_netcdf(arviz_groups(result), out / f"{name}.nc")
        image_picture(result, out / f"{name}.png")
    if found.fits:
        loss_picture(found.fits, out / "losses.png")
    if found.curves:
        budget_picture(found.curves, out / "budget.png")
    record = provenance(found.task) | {
        "rows": [asdict(row) for row in found.rows],
        "mismatches": found.mismatches,
    }
    if found.curves:
        record["curves"] = [asdict(curve) for curve in found.curves]
    device = {str(result.device) for result in found.fits.values()}
    record["device"] = ", ".join(sorted(device))
    (out / "results.json").write_text(json.dumps(record, indent=2))
    return out
