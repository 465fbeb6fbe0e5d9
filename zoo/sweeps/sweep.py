"""`zoo.sweep`: every setting with every seed, the best chosen on validation rows."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from zoo.checks.arguments import MANY, look_up, refusal, whole
from zoo.comparison.compare import given_task, log_in, pairs_of
from zoo.comparison.comparison import Asked, row_of
from zoo.comparison.contenders import named_guides, named_objectives, refuse_twins
from zoo.comparison.processes import jobs_given
from zoo.evaluation.evaluate import QUICKEST, check_scoring, evaluate
from zoo.latents import Model
from zoo.objectives import as_objective
from zoo.results.encoding import encode
from zoo.results.result import Fit
from zoo.sweeps.backends import BACKENDS, outcomes
from zoo.sweeps.chosen import chooser_of, with_splits
from zoo.sweeps.folder import SweepFolder
from zoo.sweeps.found import PREDICTED, Sweep
from zoo.sweeps.grid import Setting, grid_of, requests_of, settings_of
from zoo.sweeps.jobs import Job
from zoo.task import Task
from zoo.training.checkpoint import load_fit
from zoo.training.parallel.joining import rank_count
from zoo.training.progress import Bar, Watcher, checked
from zoo.training.run import describe_task
from zoo.training.settings import Request

BOUND = re.compile(r"elbo|iwae_[1-9]\d*")
OTHER_DRAWS = 10_000  # added to the seed where the best setting is scored on the same rows again


def sweep(
    model: str | Task | Fit | Model,
    guides: Sequence[Any] | Mapping[str, Callable],
    *args: object,
    objectives: Sequence[Any] | Mapping[str, Any] = ("trace",),
    seeds: int = 5,
    particles: int | Sequence[int] | None = None,
    metric: str = "elbo",
    valid: tuple | None = None,
    test: tuple | None = None,
    jobs: int = 1,
    backend: str = "loky",
    draws: int | None = None,
    device: str = "auto",
    progress: bool = False,
    on_progress: Watcher | None = None,
    log: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    model_kwargs: dict[str, object] | None = None,
    **settings: Any,
) -> Sweep:
    """Tries every combination of settings with every seed, and chooses the best one.

    Where rows have latents of their own, the best setting is the one of the highest mean bound
    over seeds on the validation rows, which no fit is trained on. Its fits are then scored on the
    test rows. Where rows share latents, no rows can be held out; the settings are compared by the
    bound on the training data, and the sweep says so.

    Every run is a call of :func:`zoo.fit` in one thread, so that the numbers do not depend on
    `jobs` or `backend`.

    Args:
        model: a name of ``zoo.models.MODELS``, a task from :func:`zoo.load`, a Pyro model (then
            `args` are its arguments), or a fit, whose trained model is held fixed.
        guides: as for :func:`zoo.compare`.
        *args: arguments of the model, where it is one of your own.
        objectives: as for :func:`zoo.compare`.
        seeds: number of seeds, 0 .. seeds - 1, of each setting.
        particles: of the objectives that have particles; a list is tried out.
        metric: the score: "elbo", or "iwae_K" for any K. Both are bounds of log p(x), so that
            guides and objectives can be compared by them.
        valid: validation rows of a model of your own, in the form of `args`.
        test: test rows of it.
        jobs: runs at a time, as joblib counts them: -1 is one for each core.
        backend: "loky" for processes, "threading", or "dask" or "ray" for a cluster: that of the
            current client, of DASK_SCHEDULER_ADDRESS or RAY_ADDRESS, else one of this machine.
            Fits wait for each other under "threading".
        draws: draws from the guide for each row, for scoring; see :func:`zoo.evaluate`.
        device: "auto", "cpu" or "cuda".
        progress: show a bar over runs.
        on_progress: called with a :class:`zoo.Progress` as each run ends, in this process.
        log: "tensorboard" writes a log of each run to its folder.
        out: a folder. Each run is written there whole as it ends, and the same call goes on from
            the runs that are whole. A folder that holds a sweep of other settings is refused.
        force: remove an earlier sweep from `out`.
        model_kwargs: keyword arguments of the model.
        **settings: of every fit, by the names that :func:`zoo.fit` gives them. A list or a tuple
            holds values to try out: ``lr=[1e-3, 3e-3], batch_size=[32, 128]``.

    Returns:
        What was found. A setting is chosen only if all its runs came to their ends. After Ctrl-C
        nothing is chosen, and `unfinished` says how far the runs are.

    Raises:
        ValueError: for an unknown name, a setting that makes no sense, rows that are missing or a
            backend that is not installed, before anything is trained; for a folder that cannot be
            used; where every run raised an error.
        ChildProcessError: if a process of "loky" was ended from outside.
    """
    task, held, kwargs = given_task(model, args, model_kwargs, hold=False)
    task = with_splits(task, valid, test)
    common, grid = grid_of(settings, particles)
    if held is not None:
        common["freeze_model"] = True
    _check(seeds, jobs, backend, metric, draws)
    families, named = named_guides(guides), named_objectives(objectives)
    latents = describe_task(task, _first(common, grid, "batch_size", "auto"), kwargs)
    pairs, mismatches = pairs_of(latents, families, named)
    if not pairs:
        first = next(iter(mismatches.values()))
        raise ValueError(f"No guide goes with an objective here. {first}")
    tried, watcher = settings_of(pairs, grid), checked(on_progress)
    refuse_twins([setting.run(0) for setting in tried])
    found = Sweep(task, tried, seeds, metric, chooser_of(task, latents), common, device)
    found.mismatches = mismatches
    request = Request(**common)
    asked = Asked(families, named, seeds, draws, None, device, request, kwargs, held)
    record = asked.record(task) | {name: encode(values) for name, values in grid.items()}
    record |= {"metric": metric, "dtype": str(torch.get_default_dtype())}
    waiting = _jobs(found, asked, log_in(out, log) is not None)
    with TemporaryDirectory() as temporary:
        folder = SweepFolder(temporary if out is None else out, record, force=force)
        try:
            _take(found, waiting, folder, jobs, backend, watcher, progress=progress)
            if found.best is not None:
                _test(found, found.best, asked, folder)
        except KeyboardInterrupt:
            found.interrupted = True
        folder.write(found.record())
    if not found.rows and not found.interrupted:
        name, said = next(iter(found.failed.items()))
        raise ValueError(f"Every run failed; {name} {said}")
    return found


def _first(common: Mapping[str, Any], grid: Mapping[str, list], name: str, usual: Any) -> Any:
    """A value of a setting that the sweep may vary."""
    return grid[name][0] if name in grid else common.get(name, usual)


def _check(seeds: int, jobs: int, backend: str, metric: str, draws: int | None) -> None:
    if rank_count() > 1:
        raise ValueError(
            f"sweep takes one process, and hands out runs by itself; torchrun started "
            f"{rank_count()} of them. Start it without torchrun, with jobs=-1."
        )
    whole("seeds", seeds, most=MANY)
    look_up("backend", backend, BACKENDS)
    jobs_given(jobs)
    if not isinstance(metric, str) or not BOUND.fullmatch(metric):
        way = "Bounds can be compared between guides and objectives. Pass e.g. metric='iwae_100'."
        raise refusal("metric", "'elbo' or 'iwae_K'", metric, way)
    check_scoring([metric], draws)


def _jobs(found: Sweep, asked: Asked, logged: bool) -> list[Job]:  # noqa: FBT001
    """All runs, refused where :func:`zoo.fit` would refuse one later."""
    jobs, kwargs = list[Job](), asked.model_kwargs
    for setting in found.settings:
        guide = asked.guides[setting.guide]
        objective = asked.objectives[setting.objective]
        requests = list(requests_of(setting, found.common, objective, found.seeds))
        requests[0].settings(found.task, guide, kwargs)
        jobs += [
            Job(
                setting.run(seed),
                (setting.guide, setting.objective),
                found.task,
                guide,
                request,
                kwargs,
                found.device,
                (found.metric,),
                found.chooser.split,
                asked.draws,
                logged,
            )
            for seed, request in enumerate(requests)
        ]
    return jobs


def _take(
    found: Sweep,
    jobs: list[Job],
    folder: SweepFolder,
    workers: int,
    backend: str,
    watcher: Watcher | None,
    *,
    progress: bool,
) -> None:
    """Takes the runs that are not whole, and writes each as it ends."""
    for job in jobs:
        row = folder.read(job.name)
        if row is None:
            found.unfinished[job.name] = "not begun"
        else:
            found.rows[job.name] = row
    found.kept, left = len(found.rows), [job for job in jobs if job.name in found.unfinished]
    title = f"{found.task.name}, runs"
    with Bar(title, len(jobs), shown=progress, says=f"best {found.metric}") as bar:
        bar.reach(found.kept, found.highest)
        for outcome in outcomes(left, workers, backend) if left else ():
            del found.unfinished[outcome.name]
            if outcome.row is None:
                found.failed[outcome.name] = outcome.said
            else:
                folder.write_run(outcome)
                found.rows[outcome.name] = outcome.row
            bar.reach(len(found.rows), found.highest)
            if watcher is not None and outcome.progress is not None:
                watcher(outcome.progress)
    found.rows = {job.name: found.rows[job.name] for job in jobs if job.name in found.rows}


def _test(found: Sweep, best: Setting, asked: Asked, folder: SweepFolder) -> None:
    """Scores the fits of the best setting on test rows, or again where rows share latents."""
    objective = asked.objectives[best.objective]
    split, data = found.chooser.split, found.task.data
    predicts = split == "train" and data.test is not data.train
    for seed, request in enumerate(requests_of(best, found.common, objective, found.seeds)):
        result = load_fit(
            folder.run(best.run(seed)),
            found.task,
            guide=asked.guides[best.guide],
            device=asked.device,
            model_kwargs=asked.model_kwargs,
            objective=as_objective(request.objective),
            lr_schedule=request.lr_schedule,
            kl_weight=request.kl_weight,
        )
        found.fits.append(result)
        if split == "valid" and not found.chooser.test_rows:
            continue
        metrics = evaluate(
            result,
            metrics=(*QUICKEST, PREDICTED) if predicts else QUICKEST,
            split="train" if split == "train" else "test",
            draws=asked.draws,
            seed=seed + (OTHER_DRAWS if split == "train" else 0),
        )
        found.tested.append(row_of(result, metrics, best.guide, best.objective))
