"""Guides x objectives x seeds on one task: train, score, tabulate, write down."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from guides import guide_named
from zoo.checks.arguments import MANY, instance, look_up, several, whole
from zoo.comparison.budget import steps_of
from zoo.comparison.comparison import COMMON_SETTINGS, Asked, Comparison, row_of
from zoo.comparison.folder import Folder
from zoo.comparison.runs import Runs
from zoo.evaluation.evaluate import QUICKEST, check_scoring
from zoo.latents import Latents
from zoo.objectives import OBJECTIVES, as_objective
from zoo.pairing.mismatch import mismatch
from zoo.task import Task
from zoo.training.parallel.joining import rank_count
from zoo.training.run import describe_task
from zoo.training.settings import Request

__all__ = ["Comparison", "compare", "row_of", "write"]


def compare(
    task: Task,
    guides: Sequence[str],
    objectives: Sequence[str],
    *,
    seeds: int = 1,
    draws: int | None = None,
    device: str = "auto",
    progress: bool = False,
    budget: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    seconds: float = 60.0,
    **settings: Any,
) -> Comparison:
    """Fits and scores every pair of guide and objective that goes together, for each seed.

    Args:
        task: from :func:`zoo.load`.
        guides: names of ``guides.GUIDES``.
        objectives: names of ``zoo.objectives.OBJECTIVES``.
        seeds: number of seeds, 0 .. seeds - 1; compiled seeds of one pair run side by side.
        draws: draws from the guide for each row, for scoring; see :func:`zoo.evaluate`.
        device: "auto", "cpu" or "cuda".
        progress: show a bar for each run.
        budget: evaluations of f, for each row of the minibatch, that every run may use; the
            number of steps then follows from the objective. Runs take the plain path.
        out: an empty folder, tried before training; every run is written there as it ends, and
            what trains as checkpoints.
        resume: go on from what `out` holds, asked for with the same settings: runs that are whole
            stay, one under way goes on. Where nothing is there, the comparison begins.
        force: remove what the zoo wrote to `out` before, instead of refusing it.
        seconds: time between two checkpoints.
        **settings: of every fit, by the names that :func:`zoo.fit` gives them: `steps`, `lr`,
            `optimizer`, `batch_size`, `kl_weight`, `compile` and so on. `until` is "steps" unless
            it is given, so that all pairs take as many.

    Returns:
        What was found; after Ctrl-C the runs that are whole, and `unfinished` names the others.

    Raises:
        ValueError: for an unknown name, or a setting that makes no sense, before anything is
            trained; for steps and a budget; for a folder that cannot be used.
    """
    request = _request(task, settings, budget)
    _check(task, seeds, draws, budget)
    way = "Pass a list of names, e.g. ['mean_field']."
    families = {name: guide_named(name) for name in several("guides", guides, way)}
    names = several("objectives", objectives, "Pass a list of names, e.g. ['trace'].")
    for name in names:
        look_up("objective", name, OBJECTIVES)
    latents = describe_task(task, request.batch_size)
    pairs, mismatches = _pairs(latents, families, names)
    if budget is not None:
        for _, objective in pairs:
            steps_of(budget, objective, latents)
    asked = Asked(tuple(families), tuple(names), seeds, draws, budget, device, request)
    found = Comparison(task, [], {}, mismatches)
    runs = Runs(found, asked, families, latents, seconds=seconds, progress=progress)
    found.unfinished = dict.fromkeys((n for pair in pairs for n in runs.names(*pair)), "not begun")
    if out is not None:
        runs.open(out, resume=resume, force=force)
    try:
        for pair in pairs:
            runs.take(*pair)
    except KeyboardInterrupt:
        found.interrupted = True
    runs.close()
    return found


def _request(task: Task, settings: dict[str, Any], budget: int | None) -> Request:
    """The settings of the fits, refused where :func:`zoo.fit` would refuse them later."""
    instance("task", task, Task, "Pass zoo.load('ppca').")
    for name in settings:
        look_up("setting of compare", name, dict.fromkeys(COMMON_SETTINGS))
    request = Request(**({"until": "steps"} | settings))
    if budget is not None and request.steps is not None:
        raise ValueError(
            f"Expected steps or a budget; got steps={request.steps}, budget={budget}. A budget is "
            "the steps times the evaluations of f that each takes."
        )
    request.settings(task)
    return request


def _check(task: Task, seeds: int, draws: int | None, budget: int | None) -> None:
    if rank_count() > 1:
        raise ValueError(
            f"compare trains one fit after another in one process; torchrun started {rank_count()}"
            " of them. Start it without torchrun, or train each fit by zoo.fit."
        )
    whole("seeds", seeds, most=MANY)
    check_scoring(QUICKEST, draws)
    if budget is not None:
        whole("budget", budget, way="It counts evaluations of f for each row of the minibatch.")


def _pairs(
    latents: Latents, families: Mapping[str, Callable], objectives: Sequence[str]
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """The pairs that go together, and why each of the others does not."""
    pairs, mismatches = list[tuple[str, str]](), dict[str, str]()
    for guide, objective in product(families, objectives):
        sentence = mismatch(latents, families[guide], as_objective(objective))
        if sentence is None:
            pairs.append((guide, objective))
        else:
            mismatches[f"{guide} x {objective}"] = sentence
    return pairs, mismatches


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
