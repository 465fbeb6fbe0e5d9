"""Pairs of a comparison side by side: each is fitted and scored in a process of its own."""

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from joblib import delayed

from zoo.comparison.aggregate import run_name
from zoo.comparison.budget import Curve
from zoo.comparison.comparison import Asked, Comparison
from zoo.comparison.processes import as_they_end
from zoo.comparison.runs import Runs
from zoo.evaluation.evaluate import Metrics
from zoo.latents import Latents
from zoo.results.result import Fit
from zoo.task import Task
from zoo.training.progress import Bar


@dataclass(frozen=True)
class Pair:
    """A guide and an objective to be fitted with all seeds.

    Attributes:
        names: of guide and objective.
        task: what is fitted.
        asked: what the comparison was asked for.
        freeze_model: is the model held fixed?
        latents: of the task's model.
        dtype: torch's default dtype, which another process does not know of.
    """

    names: tuple[str, str]
    task: Task
    asked: Asked
    freeze_model: bool
    latents: Latents
    dtype: torch.dtype = field(default_factory=torch.get_default_dtype)


@dataclass(frozen=True)
class Taken:
    """What came of a pair.

    Attributes:
        names: of guide and objective.
        runs: the fits that came to their end, with their metrics.
        curves: of runs with a budget, by seed.
        unfinished: name of a run -> why it did not come to its end.
        error: what the pair raised; None if it raised nothing.
    """

    names: tuple[str, str]
    runs: list[tuple[Fit, Metrics]]
    curves: dict[int, Curve]
    unfinished: dict[str, str]
    error: Exception | None


def take(pair: Pair) -> Taken:
    """Fits and scores a pair; with one thread, so that the numbers are always the same."""
    torch.set_num_threads(1)
    torch.set_default_dtype(pair.dtype)
    guide, objective = pair.names
    asked = replace(
        pair.asked,
        guides={guide: pair.asked.guides[guide]},
        objectives={objective: pair.asked.objectives[objective]},
        request=replace(pair.asked.request, freeze_model=pair.freeze_model),
    )
    found = Comparison(pair.task, [], {}, {})
    runs = Runs(found, asked, pair.latents, seconds=math.inf, progress=False)
    error = runs.take(guide, objective)
    return Taken(
        pair.names,
        [(result, found.scored[name]) for name, result in found.fits.items()],
        {curve.seed: curve for curve in found.curves},
        found.unfinished,
        None if error is None else _that_travels(error),
    )


def _that_travels(error: Exception) -> Exception:
    """The error itself where it can be handed to another process, else its words."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # what this process itself has written
    except Exception:  # noqa: BLE001  # whatever an error of the user's raises
        return ValueError(f"{type(error).__name__}: {error}")
    return error


def take_side_by_side(
    runs: Runs, pairs: Sequence[tuple[str, str]], workers: int, *, progress: bool
) -> list[Exception]:
    """Takes the pairs that are not whole, several at a time, and writes each as it ends.

    Args:
        runs: the runs of the comparison.
        pairs: names of guides and objectives that go together.
        workers: how many at a time, as joblib counts them.
        progress: show a bar over the pairs.

    Returns:
        The errors that pairs raised: other pairs go on.

    Raises:
        ChildProcessError: if a process was ended from outside; what is whole is kept.
    """
    found, errors = runs.found, dict[tuple[str, str], Exception]()
    left = [pair for pair in pairs if not runs.is_whole(*pair)]
    asked, freeze = replace(runs.asked, held=None), runs.request.freeze_model
    jobs = [Pair(pair, found.task, asked, freeze, runs.latents) for pair in left]
    title = f"{found.task.name}, pairs of guide and objective"
    with Bar(title, len(pairs), shown=progress, says="nats, the last ELBO") as bar:
        for taken in as_they_end([delayed(take)(job) for job in jobs], workers) if jobs else ():
            _receive(runs, taken)
            if taken.error is not None:
                errors[taken.names] = taken.error
            bar.reach(sum(runs.is_whole(*pair) for pair in pairs), _last_elbo(taken))
    runs.order(pairs)
    return [errors[pair] for pair in pairs if pair in errors]


def _receive(runs: Runs, taken: Taken) -> None:
    """Writes the runs of a pair, but for those that an earlier comparison left whole."""
    for result, metrics in taken.runs:
        seed = result.settings.seed
        if run_name(*taken.names, seed) not in runs.found.fits:
            runs.store(*taken.names, result, metrics, taken.curves.get(seed))
    runs.found.unfinished |= taken.unfinished
    if taken.error is None:
        runs.tidy(*taken.names)


def _last_elbo(taken: Taken) -> float:
    return taken.runs[-1][1]["elbo"].value if taken.runs else math.nan
