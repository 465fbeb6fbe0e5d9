"""Guides x objectives x seeds on one task: train, score, tabulate, write down."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from zoo.checks.arguments import MANY, flag, look_up, one_of, shown, whole
from zoo.checks.inputs import check_kwargs
from zoo.comparison.budget import steps_of
from zoo.comparison.comparison import COMMON_SETTINGS, Asked, Comparison, row_of
from zoo.comparison.contenders import named_guides, named_objectives, refuse_twins
from zoo.comparison.folder import TENSORBOARD, Folder
from zoo.comparison.from_folder import report_on
from zoo.comparison.held import Held, under
from zoo.comparison.processes import jobs_given
from zoo.comparison.runs import Runs
from zoo.comparison.side_by_side import take_side_by_side
from zoo.evaluation.evaluate import QUICKEST, check_scoring
from zoo.latents import Latents, Model
from zoo.latents.family import solver_of
from zoo.objectives import Objective
from zoo.pairing.mismatch import mismatch
from zoo.results.result import Fit
from zoo.task import Task, load, task_of
from zoo.training.parallel.joining import rank_count
from zoo.training.progress import Watcher, checked
from zoo.training.run import describe_task
from zoo.training.settings import Request
from zoo.training.tensorboard import TensorBoard

__all__ = ["Comparison", "compare", "row_of", "write"]


def compare(
    model: str | Task | Fit | Model,
    guides: Sequence[Any] | Mapping[str, Callable],
    *args: object,
    objectives: Sequence[Any] | Mapping[str, Any] = ("trace",),
    hold: bool = False,
    seeds: int = 1,
    draws: int | None = None,
    jobs: int = 1,
    device: str = "auto",
    progress: bool = False,
    on_progress: Watcher | None = None,
    log: str | None = None,
    budget: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    seconds: float = 60.0,
    model_kwargs: dict[str, object] | None = None,
    **settings: Any,
) -> Comparison:
    """Fits and scores every pair of guide and objective that goes together, for each seed.

    There are two ways to swap guides. Usually each guide trains a model of its own, and guide and
    model adapt to each other. With a fit in the place of the model, or with `hold`, the model is
    trained once, and all guides are compared under that one model: they differ in inference alone.

    Args:
        model: a name of ``zoo.models.MODELS``, a task from :func:`zoo.load`, a Pyro model (then
            `args` are its arguments), or a fit, whose trained model is held fixed.
        guides: a list of names of ``guides.GUIDES``, guide classes, AutoGuides or functions; or a
            mapping from names of your own to these.
        *args: arguments of the model, where it is one of your own.
        objectives: a list of names of ``zoo.objectives.OBJECTIVES``, objectives or Pyro's ELBOs;
            or a mapping from names of your own to these.
        hold: first train the model with the usual guide (of a model of your own, the first one)
            and the first objective, then hold it fixed.
        seeds: number of seeds, 0 .. seeds - 1; compiled seeds of one pair run side by side.
        draws: draws from the guide for each row, for scoring; see :func:`zoo.evaluate`.
        jobs: pairs that are fitted at a time, each in a process of its own with one thread; -1
            is one for each core. Numbers are those of one process with one thread. Each process
            imports torch first, which takes seconds: fits of a few seconds gain nothing. A pair
            that is interrupted begins anew.
        device: "auto", "cpu" or "cuda".
        progress: show a bar for each run; with several jobs, one over all pairs.
        on_progress: called with a :class:`zoo.Progress` of each run; see :func:`zoo.fit`. It goes
            with one job only, as does `log`.
        log: "tensorboard" writes a log of each run to the folder `tensorboard` of `out`.
        budget: evaluations of f, for each row of the minibatch, that every run may use; the
            number of steps then follows from the objective. Runs take the plain path.
        out: an empty folder, tried before training; every run is written there as it ends, and
            what trains as checkpoints.
        resume: go on from what `out` holds, asked for with the same settings: runs that are whole
            stay, one under way goes on. Where nothing is there, the comparison begins.
        force: remove what the zoo wrote to `out` before, instead of refusing it.
        seconds: time between two checkpoints.
        model_kwargs: keyword arguments of the model.
        **settings: of every fit, by the names that :func:`zoo.fit` gives them: `steps`, `lr`,
            `optimizer`, `batch_size`, `kl_weight`, `compile` and so on. Unless `until` is given,
            it is "steps", so that all pairs take as many; under a model held fixed it is "auto",
            so that each guide comes as near as it can.
            Guides that are found by a method of their own, such as ``guides.Laplace``, take none,
            and no settings of steps.

    Returns:
        What was found. After Ctrl-C, or where a guide raised an error, these are the runs that are
        whole, and `unfinished` says of the others how far they are. Where every run raised an
        error, the first one is raised.

    Raises:
        ValueError: for an unknown name, or a setting that makes no sense, before anything is
            trained; for steps and a budget; for a folder that cannot be used.
        ChildProcessError: if a process of several jobs was ended from outside.
    """
    task, held, kwargs = given_task(model, args, model_kwargs, hold=hold)
    request = _request(task, settings, budget, "steps" if held is None else "auto")
    _check(seeds, draws, budget)
    _check_jobs(jobs, {"log": log, "on_progress": on_progress})
    families, named = named_guides(guides), named_objectives(objectives)
    latents = describe_task(task, request.batch_size, kwargs)
    pairs, mismatches = pairs_of(latents, families, named)
    if budget is not None:
        pairs, mismatches = _of_steps(pairs, mismatches, families)
        for _, objective in pairs:
            steps_of(budget, named[objective], latents)
    asked = Asked(families, named, seeds, draws, budget, device, request, kwargs, held)
    found = Comparison(task, [], {}, mismatches, settings=asked.record(task))
    runs = Runs(
        found,
        asked,
        latents,
        seconds=seconds,
        progress=progress,
        on_progress=checked(on_progress),
        log=log_in(out, log),
    )
    names = [name for pair in pairs for name in runs.names(*pair)]
    refuse_twins(names)
    found.unfinished = dict.fromkeys(names, "not begun")
    if out is not None:
        runs.open(out, resume=resume, force=force)
    try:
        runs.hold_model()
        runs.take_up()
        errors = (
            [error for pair in pairs if (error := runs.take(*pair)) is not None]
            if jobs == 1
            else take_side_by_side(runs, pairs, jobs, progress=progress)
        )
    except KeyboardInterrupt:
        found.interrupted, errors = True, []
    runs.close()
    if errors and not found.rows:
        raise errors[0]
    return found


def given_task(
    model: str | Task | Fit | Model, args: tuple, kwargs: dict | None, *, hold: bool
) -> tuple[Task, Held | None, dict[str, object]]:
    """What is compared on, what is held fixed, and the model's keyword arguments."""
    flag("hold", hold)
    if not isinstance(model, Fit):
        task = load(model) if isinstance(model, str) else task_of(model, args)
        return task, Held() if hold else None, check_kwargs(kwargs)
    if args or kwargs:
        raise ValueError(
            f"A fit has its data; got {len(args)} arguments and model_kwargs={kwargs} besides. "
            "Leave them out, or pass the model itself with them."
        )
    return under(model), Held(model), model.program.kwargs


def _request(task: Task, settings: dict[str, Any], budget: int | None, until: str) -> Request:
    """The settings of the fits, refused where :func:`zoo.fit` would refuse them later."""
    for name in settings:
        look_up("setting of compare", name, dict.fromkeys(COMMON_SETTINGS))
    request = Request(**({"until": until} | settings))
    if budget is not None and request.steps is not None:
        raise ValueError(
            f"Expected steps or a budget; got steps={request.steps}, budget={budget}. A budget is "
            "the steps times the evaluations of f that each takes."
        )
    request.settings(task)
    return request


def log_in(out: str | Path | None, log: object) -> TensorBoard | None:
    """The log that is to be written to a folder; None for none.

    Raises:
        ValueError: for a log of another kind, or without a folder.
    """
    if log is None:
        return None
    one_of("log", log, ("tensorboard",))
    if out is None:
        raise ValueError(f"log='{log}' is written to a folder. Name one: out='runs/logged'.")
    return TensorBoard(Path(out) / TENSORBOARD)


def _check(seeds: int, draws: int | None, budget: int | None) -> None:
    if rank_count() > 1:
        raise ValueError(
            f"compare trains one fit after another in one process; torchrun started {rank_count()}"
            " of them. Start it without torchrun, or train each fit by zoo.fit."
        )
    whole("seeds", seeds, most=MANY)
    check_scoring(QUICKEST, draws)
    if budget is not None:
        whole("budget", budget, way="It counts evaluations of f for each row of the minibatch.")


def _check_jobs(jobs: object, watchers: dict[str, object]) -> None:
    """Refuses what would have to be told of steps in other processes."""
    count = jobs_given(jobs)
    for name, watcher in watchers.items():
        if count != 1 and watcher is not None:
            raise ValueError(
                f"Expected {name}=None with several jobs; got {name}={shown(watcher)} and "
                f"jobs={count}. Steps are taken in other processes: pass jobs=1, or leave it out."
            )


def pairs_of(
    latents: Latents, families: Mapping[str, Callable], objectives: Mapping[str, Objective]
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """The pairs that go together, and why each of the others does not."""
    pairs, mismatches = list[tuple[str, str]](), dict[str, str]()
    for guide, objective in product(families, objectives):
        sentence = mismatch(latents, families[guide], objectives[objective])
        if sentence is None:
            pairs.append((guide, objective))
        else:
            mismatches[f"{guide} x {objective}"] = sentence
    return pairs, mismatches


def _of_steps(
    pairs: list[tuple[str, str]], mismatches: dict[str, str], families: Mapping[str, Callable]
) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """The pairs that a budget can be spent on: guides that take steps."""
    solved = [pair for pair in pairs if solver_of(families[pair[0]]) is not None]
    said = {
        f"{guide} x {objective}": f"A budget buys steps, and {guide} takes none: it is found by a "
        "method of its own. Leave the budget out."
        for guide, objective in solved
    }
    return [pair for pair in pairs if pair not in solved], mismatches | said


def write(found: Comparison, folder: str | Path) -> Path:
    """Writes a comparison that was kept in memory: `results.json`, the runs, and the pictures.

    With `out`, :func:`compare` writes the same while it goes, and can go on from it.

    Returns:
        The folder.
    """
    place = Folder(folder, found.settings)
    for name, result in found.fits.items():
        place.write_run(name, result, found.scored.get(name))
    place.write_results(found.task.data, found.rows, found.curves, **found.said)
    place.draw(found.fits, found.rows, found.curves)
    if found.rows:
        report_on(place.path)
    return place.path
