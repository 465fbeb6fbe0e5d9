"""Guides x objectives x seeds on one task: train, score, tabulate, write down."""

from collections.abc import Sequence
from pathlib import Path

from guides import guide_named
from zoo.checks.arguments import MANY, instance, look_up, several, whole
from zoo.comparison.budget import steps_of
from zoo.comparison.comparison import Asked, Comparison, row_of
from zoo.comparison.folder import Folder
from zoo.comparison.runs import Runs
from zoo.evaluation.evaluate import QUICKEST, check_scoring
from zoo.objectives import OBJECTIVES, as_objective
from zoo.pairing.mismatch import mismatch
from zoo.task import Task
from zoo.training.run import describe_task

__all__ = ["Comparison", "compare", "row_of", "write"]


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
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    seconds: float = 60.0,
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
        out: an empty folder, tried before training; every run is written there as it ends, and
            what trains as checkpoints.
        resume: go on from what `out` holds, asked for with the same settings: runs that are whole
            stay, one under way goes on. Where nothing is there, the comparison begins.
        force: remove what the zoo wrote to `out` before, instead of refusing it.
        seconds: time between two checkpoints.

    Returns:
        What was found; after Ctrl-C the runs that are whole, and `unfinished` names the others.

    Raises:
        ValueError: for an unknown name, before anything is trained; for steps and a budget; for
            a folder that cannot be used.
    """
    check_comparison(task, seeds, draws, budget)
    way = "Pass a list of names, e.g. ['mean_field']."
    families = {name: guide_named(name) for name in several("guides", guides, way)}
    objectives = several("objectives", objectives, "Pass a list of names, e.g. ['trace'].")
    for name in objectives:
        look_up("objective", name, OBJECTIVES)
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
    asked = Asked(
        guides=tuple(families),
        objectives=tuple(objectives),
        seeds=seeds,
        steps=steps,
        lr=lr,
        batch_size=batch_size,
        draws=draws,
        device=device,
        compile=compile,
        budget=budget,
    )
    runs = Runs(found, asked, families, latents, seconds=seconds, progress=progress)
    names = [name for pair in pairs for name in runs.names(*pair)]
    found.unfinished = dict.fromkeys(names, "not begun")
    if out is not None:
        runs.open(out, resume=resume, force=force)
    try:
        for pair in pairs:
            runs.take(*pair)
    except KeyboardInterrupt:
        found.interrupted = True
    runs.close()
    return found


def check_comparison(task: Task, seeds: int, draws: int | None, budget: int | None) -> None:
    """Refuses what :func:`zoo.fit` and :func:`zoo.evaluate` would refuse after the first run.

    Raises:
        ValueError: naming the argument.
    """
    instance("task", task, Task, "Pass zoo.load('ppca').")
    whole("seeds", seeds, most=MANY)
    check_scoring(QUICKEST, draws)
    if budget is not None:
        whole("budget", budget, way="It counts evaluations of f for each row of the minibatch.")


def write(found: Comparison, folder: str | Path) -> Path:
    """Writes a comparison that was kept in memory: `results.json`, the runs, and the pictures.

    With `out`, :func:`compare` writes the same while it goes, and can go on from it.

    Returns:
        The folder.
    """
    place = Folder(folder, {})
    for name, result in found.fits.items():
        place.write_run(name, result, found.scored.get(name))
    place.write_results(found.task, found.rows, found.mismatches, found.unfinished, found.curves)
    place.draw(found.fits, found.curves)
    return place.path
