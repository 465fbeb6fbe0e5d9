"""Guides x objectives x seeds on one task: train, score, tabulate, write down."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError, check_output

import numpy as np
import torch

import zoo
from guides import guide_named
from zoo.arviz_bridge import write_netcdf
from zoo.draws import draw
from zoo.evaluate import Figures, evaluate, held_out_split
from zoo.fit import fit
from zoo.isolation import isolated
from zoo.objectives import as_objective
from zoo.pairing import mismatch
from zoo.prepare import describe_task, to_device
from zoo.report import image_picture, loss_picture
from zoo.result import Fit
from zoo.summary import Cell, Row, summarise
from zoo.task import Task

VERSIONS = ("torch", "pyro-ppl", "numpy", "arviz")
ARVIZ_DRAWS, ARVIZ_ROWS = 200, 100


@dataclass
class Comparison:
    """What a comparison found.

    Attributes:
        task: what was compared on.
        rows: one for each run.
        fits: run name -> fit.
        mismatches: "guide x objective" -> why the pair does not go together.
    """

    task: Task
    rows: list[Row]
    fits: dict[str, Fit]
    mismatches: dict[str, str]

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
    draws: int = 1000,
    device: str = "auto",
    compile: bool | str = "auto",
    progress: bool = False,
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
        draws: draws from the guide for each row, for scoring.
        device: "auto", "cpu" or "cuda".
        compile: see :func:`zoo.fit`; compiled seeds of one pair run side by side.
        progress: show a bar for each run.

    Raises:
        ValueError: for an unknown name, before anything is trained.
    """
    families = {name: guide_named(name) for name in guides}
    for name in objectives:
        as_objective(name)
    latents = describe_task(task, batch_size)
    found = Comparison(task, [], {}, {})
    for guide, family in families.items():
        for objective in objectives:
            sentence = mismatch(latents, family, as_objective(objective))
            if sentence:
                found.mismatches[f"{guide} x {objective}"] = sentence
                continue
            fits = fit(
                task,
                family,
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
                figures = evaluate(result, draws=draws, seed=seed)
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
    record = provenance(found.task) | {
        "rows": [asdict(row) for row in found.rows],
        "mismatches": found.mismatches,
    }
    device = {str(result.device) for result in found.fits.values()}
    record["device"] = ", ".join(sorted(device))
    (out / "results.json").write_text(json.dumps(record, indent=2))
    return out


def provenance(task: Task) -> dict[str, object]:
    """Command, commit, versions and data of a result, for its JSON."""
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": _commit(),
        "versions": {"python": sys.version.split()[0], "pyro-zoo": zoo.__version__}
        | {name: _version(name) for name in VERSIONS},
        "threads": torch.get_num_threads(),
        "data": {
            "name": task.data.name,
            "binarize": task.data.binarize,
            "seed": task.data.seed,
            "hash": task.data.hash,
        },
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    here = Path(__file__).parent
    try:
        found = check_output(["git", "rev-parse", "HEAD"], cwd=here, stderr=DEVNULL, text=True)
    except (CalledProcessError, FileNotFoundError):
        return ""
    return found.strip()


def arviz_groups(result: Fit) -> dict[str, dict[str, np.ndarray]]:
    """Posterior draws and pointwise log-likelihood of a run, for up to 100 rows."""
    split = held_out_split(result) if result.amortised else "train"
    args = tuple(to_device(arg, result.device) for arg in result.task.split(split))
    rows = ARVIZ_ROWS if result.latents.rowwise else None
    with isolated(seed=result.settings.seed):
        draws = draw(result.program, args, ARVIZ_DRAWS, rows=rows)
    groups = {"posterior": draws.latents, "log_likelihood": draws.log_likelihood}
    return {
        group: {name: value.cpu().numpy()[None] for name, value in values.items()}
        for group, values in groups.items()
        if values
    }
