"""`zoo.gradients`: bias, variance and cost of gradient estimators at the same parameters."""

from collections.abc import Callable, Sequence
from functools import partial

from pyro.infer import ELBO

from zoo.checks.arguments import (
    function,
    instance,
    number,
    one_of,
    refusal,
    seed_given,
    several,
    whole,
)
from zoo.device import pick_device, to_device
from zoo.gradients.estimator import Estimator, as_estimator, expand
from zoo.gradients.experiment import Experiment, References
from zoo.gradients.fixed_program import OtherParameters
from zoo.gradients.moments import BLOCKS
from zoo.gradients.results import Gradients
from zoo.gradients.trajectory import POINTS, Trajectory, fixed_rows, training_objective
from zoo.isolation import isolated
from zoo.objectives import Objective
from zoo.pairing.guide_input import check_guide
from zoo.pairing.mismatch import mismatch
from zoo.task import Task
from zoo.training.run import describe_task

LONGER = 16  # a reference run is so many times longer than the runs held against it


def measure_gradients(
    task: Task,
    guide: Callable,
    objectives: Sequence[str | Objective | ELBO | Estimator],
    *,
    at: str | Sequence[str] = "trained",
    draws: int = 4096,
    temperatures: Sequence[float] = (0.5,),
    training: str | Objective | None = None,
    steps: int | None = None,
    lr: float | None = None,
    tune: int = 500,
    rows: int | None = None,
    reference_draws: int | None = None,
    seed: int = 0,
    device: str = "auto",
    shown: Callable[[str], None] | None = None,
) -> Gradients:
    """Measures gradient estimators against the exact gradient, all at the same parameters.

    The rows are observed once, so that all noise is the estimator's own. What is an objective's
    own (baselines, control variates) is tuned first, with model and guide held where they are.

    Args:
        task: from :func:`zoo.load`.
        guide: a guide class, or a partial of one.
        objectives: names, objectives, or estimators with a relaxed guide of their own.
        at: "initial", "middle" or "trained", or several: before, half way and after a fit.
        draws: gradients of each estimator, rounded up to a multiple of 64.
        temperatures: of relaxed guides; each is an estimator of its own.
        training: objective of the fit; default: the first of the model's own, then rloo, trace,
            that goes with the guide.
        steps: of the fit; default: the task's own.
        lr: learning rate of the fit; default: the task's own.
        tune: steps of tuning, by Adam at 0.01.
        rows: training rows to take; default: the task's minibatch.
        reference_draws: draws of a reference that cannot be summed; default: 16 times `draws`.
        seed: of the fit, the rows and the noise.
        device: "auto", "cpu" or "cuda".
        shown: called with a line on what is done next, e.g. print.

    Raises:
        ValueError: for an unknown name or place, before anything is trained.
    """
    places = [at] if isinstance(at, str) else several("at", at, "Pass e.g. at='trained'.")
    instance("task", task, Task, "Pass zoo.load('bernoulli_latent').")
    check_guide(guide)
    _check(places, draws, temperatures, shown)
    _check_counts(steps, tune, rows, reference_draws)
    if lr is not None:
        number("lr", lr, above=0.0, way="Pass e.g. lr=0.01.")
    seed, place = seed_given(seed), pick_device(device)
    objectives = several("objectives", objectives, "Pass a list, e.g. ['rloo', 'rebar'].")
    latents, kept, mismatches = describe_task(task), list[Estimator](), dict[str, str]()
    for one in expand([as_estimator(one) for one in objectives], temperatures):
        sentence = mismatch(latents, one.guide or guide, one.objective)
        if sentence is None:
            kept.append(one)
        else:
            mismatches[one.name] = sentence
    chosen = training_objective(task, guide, training)
    with isolated(seed=seed):
        args = tuple(to_device(arg, place) for arg in fixed_rows(task, rows, seed))
    trajectory = Trajectory(task, guide, chosen, steps, lr, seed, place)
    found = Gradients(task, [], mismatches)
    for name in places:
        experiment = Experiment(
            task, guide, args, name, trajectory.parameters(name), draws, tune, seed
        )
        references = References(experiment, reference_draws or LONGER * draws)
        for one in kept:
            if shown is not None:
                shown(f"{name}: {one.name}")
            try:
                found.rows.append(experiment.measure(one, references.of(one.objective.target)))
            except OtherParameters as error:
                mismatches[one.name] = str(error)
    found.settings = {
        "guide": _name_of(guide),
        "training": str(chosen),
        "steps": trajectory.steps,
        "draws": draws,
        "rows": len(args[0]),
        "seed": seed,
        "device": place,
        "seconds": "plain step in float64, torch.compile off, best of 5 runs of at least 50 ms",
    }
    return found


def _check(
    places: Sequence[str],
    draws: int,
    temperatures: Sequence[float],
    shown: Callable[[str], None] | None,
) -> None:
    for name in places:
        one_of("at", name, POINTS)
    way = f"That is two for each of {BLOCKS} blocks."
    whole("draws", draws, least=2 * BLOCKS, way=way)
    if not isinstance(temperatures, (list, tuple)):
        raise refusal("temperatures", "a list", temperatures, "Pass temperatures=(0.5,).")
    for tau in temperatures:
        number("each of temperatures", tau, above=0.0, way="Pass e.g. temperatures=(0.5,).")
    if shown is not None:
        function("shown", shown, "Pass e.g. print.")


def _check_counts(
    steps: int | None, tune: int, rows: int | None, reference_draws: int | None
) -> None:
    whole("tune", tune, least=0)
    for name, value in {"steps": steps, "rows": rows, "reference_draws": reference_draws}.items():
        if value is not None:
            whole(name, value)


def _name_of(guide: Callable) -> str:
    if isinstance(guide, partial):
        settings = ", ".join(f"{name}={value}" for name, value in guide.keywords.items())
        return f"{_name_of(guide.func)}({settings})"
    return getattr(guide, "__name__", type(guide).__name__)
