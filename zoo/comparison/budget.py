"""Training curves at an equal budget: what each objective makes of so many evaluations of f."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from zoo.evaluation.evaluate import evaluate
from zoo.figure_style import Look, in_style, legend_above, looks, save_figure
from zoo.files import write_whole
from zoo.latents import Latents
from zoo.metrics import Metric
from zoo.objectives import Objective, as_objective
from zoo.results.result import Fit
from zoo.task import Task
from zoo.training.checkpointer import Checkpoint
from zoo.training.fit import fit
from zoo.training.progress import Watcher
from zoo.training.settings import Request

STOPS = 10
FIRST_STOP = 1 / 30  # of the budget
DRAWS_AT_A_STOP = 50
CURVE = "curve.json"  # beside a checkpoint: the ELBO at the stops so far


@dataclass(frozen=True)
class Curve:
    """The ELBO of one run on its way, all objectives on the same scale.

    Attributes:
        guide: name of the guide.
        objective: name of the objective.
        seed: of the run.
        evaluations: of f = log p(x, z) - log q(z) for each row of the minibatch, used so far.
        elbo: at each of them; nats per row where rows are independent, else nats.
        se: standard errors of `elbo`.
        unit: of both.
    """

    guide: str
    objective: str
    seed: int
    evaluations: tuple[int, ...]
    elbo: tuple[float, ...]
    se: tuple[float, ...]
    unit: str


def steps_of(budget: int, objective: Objective, latents: Latents) -> int:
    """Steps that the budget pays for.

    Raises:
        ValueError: if it does not pay for one.
    """
    each = objective.evaluations(latents)
    if budget < each:
        raise ValueError(
            f"Expected a budget of at least {each} evaluations of f, one gradient of "
            f"{type(objective).__name__}; got {budget}."
        )
    return budget // each


def fit_within(
    task: Task,
    guide: Callable,
    request: Request,
    budget: int,
    latents: Latents,
    *,
    names: tuple[str, str],
    device: str,
    model_kwargs: dict[str, object] | None = None,
    place: Checkpoint | None = None,
    on_progress: Watcher | None = None,
) -> tuple[Fit, Curve | None]:
    """Fits until the budget is used up, and stops ten times on the way to look at the ELBO.

    Args:
        task: what is fitted.
        guide: with what.
        request: settings of the fit, with its objective; the budget gives the steps.
        budget: evaluations of f for each row of the minibatch.
        latents: of the task's model.
        names: of guide and objective, for the curve.
        device: as for :func:`zoo.fit`.
        model_kwargs: keyword arguments of the model.
        place: where it is written on its way, and goes on from; None writes nothing.
        on_progress: is told how far it is.

    Returns:
        The fit and its curve; None in the place of the curve if it was interrupted.
    """
    objective, seed = as_objective(request.objective), request.seed
    steps, each = steps_of(budget, objective, latents), objective.evaluations(latents)
    stops = np.unique(np.geomspace(max(1, steps * FIRST_STOP), steps, STOPS).round().astype(int))
    result: Fit | None = None
    metrics = _points(place)
    for number, stop in enumerate(stops):
        if number < len(metrics) and stop < steps:
            continue
        settings = replace(
            request, steps=int(stop), compile=False, average=request.average is True
        )
        earlier = result if place is None else place.folder
        result = fit(
            task,
            guide,
            **vars(settings),
            device=device,
            model_kwargs=model_kwargs,
            on_progress=on_progress,
            checkpoint=place,
            resume=earlier,
        )
        if result.stopped == "interrupted":
            return result, None
        if number == len(metrics):
            metrics.append(
                evaluate(result, metrics=["elbo"], draws=DRAWS_AT_A_STOP, seed=seed)["elbo"]
            )
            _note(place, metrics)
    assert result is not None
    curve = Curve(
        *names,
        seed,
        evaluations=tuple(int(stop) * each for stop in stops),
        elbo=tuple(metric.value for metric in metrics),
        se=tuple(metric.se for metric in metrics),
        unit=metrics[0].unit,
    )
    return result, curve


def _points(place: Checkpoint | None) -> list[Metric]:
    """The ELBO at the stops that an earlier run came past."""
    path = None if place is None else Path(place.folder) / CURVE
    if path is None or not path.exists():
        return []
    return [Metric(**each) for each in json.loads(path.read_text())]


def _note(place: Checkpoint | None, metrics: list[Metric]) -> None:
    if place is not None:
        points = json.dumps([asdict(metric) for metric in metrics])
        write_whole(Path(place.folder) / CURVE, points)


@in_style
def budget_picture(curves: Sequence[Curve], path: Path) -> Path:
    """ELBO over evaluations of f: the mean over seeds, and a band from the lowest to the highest.

    The lowest tenth of all points may lie below the picture, so that the ends can be told apart.
    """
    picture, axis = plt.subplots(figsize=(7, 4.8), layout="constrained")
    for pair, look in _looks(curves).items():
        own = [curve for curve in curves if (curve.guide, curve.objective) == pair]
        values, x = np.array([curve.elbo for curve in own]), own[0].evaluations
        axis.plot(x, values.mean(0), ms=4, label=", ".join(pair), **look.keywords)
        axis.fill_between(x, values.min(0), values.max(0), color=look.colour, alpha=0.2, lw=0)
    seeds = len({curve.seed for curve in curves})
    said = "1 seed" if seeds == 1 else f"mean of {seeds} seeds; shaded: lowest to highest"
    axis.set(
        xscale="log",
        xlabel="evaluations of f = log p(x, z) - log q(z), for each row of the minibatch",
        ylabel=f"ELBO, {curves[0].unit}",
        title=f"Equal budget, {said}",
    )
    ends = [value for curve in curves for value in curve.elbo]
    low, high = np.quantile(ends, 0.1), max(ends)
    axis.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    legend_above(picture, [axis])
    return save_figure(picture, path)[0]


def _looks(curves: Sequence[Curve]) -> dict[tuple[str, str], Look]:
    """Guide and objective -> look: that of whichever of the two varies."""
    pairs = list(dict.fromkeys((curve.guide, curve.objective) for curve in curves))
    for place in (0, 1):
        names = [pair[place] for pair in pairs]
        if len(set(names)) == len(pairs):
            look = looks(names)
            return {pair: look[name] for pair, name in zip(pairs, names, strict=True)}
    look = looks(map(", ".join, pairs))
    return {pair: look[", ".join(pair)] for pair in pairs}
