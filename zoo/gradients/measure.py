"""`zoo.measure_gradients`: bias, variance and cost of gradient estimators, at equal parameters."""

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

REFERENCE_DRAWS = 16  # times those of the estimators that are compared with the reference
TIMING = "plain step in float64, torch.compile off, best of 5 runs of at least 50 ms"


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
    """Bias, variance and cost of gradient estimators, all at the same parameters and rows.

    The rows are fixed, so that all variance is due to the estimator. An objective's own parameters
    (baselines, control variates) are tuned first, with model and guide fixed.

    Args:
        task: from :func:`zoo.load`.
        guide: a guide class, or a partial of one.
        objectives: names, objectives, or estimators with a relaxed guide of their own.
        at: "initial", "middle" or "trained", or several of them: the parameters before a fit, half
            way through it and after it.
        draws: number of gradients of each estimator, rounded up to a multiple of 64.
        temperatures: of relaxed guides; each makes an estimator of its own.
        training: objective of the fit; default: the first of the model's own, rloo and trace that
            suits the guide.
        steps: of the fit; default: the task's own.
        lr: learning rate of the fit; default: the task's own.
        tune: steps of tuning by Adam with learning rate 0.01.
        rows: number of training rows; default: the task's minibatch.
        reference_draws: draws of a reference gradient that is no exact sum; default: 16 times
            `draws`.
        seed: of the fit, the rows and the noise.
        device: "auto", "cpu" or "cuda".
        shown: called with a line of text before each measurement, e.g. print.

    Raises:
        ValueError: for an unknown name or place, before anything is trained.
    """
    places = [at] if isinstance(at, str) else several("at", at, "Pass e.g. at='trained'.")
    instance("task", task, Task, "Pass zoo.load('bernoulli_latent').")
    check_guide(guide)
    _check(places, draws, temperatures, shown)
    _check_training(steps, lr, tune, rows, reference_draws)
    seed, place = seed_given(seed), pick_device(device)
    objectives = several("objectives", objectives, "Pass a list, e.g. ['rloo', 'rebar'].")
    estimators = expand([as_estimator(one) for one in objectives], temperatures)
    kept, mismatches = _suitable(task, guide, estimators)
    chosen = training_objective(task, guide, training)
    with isolated(seed=seed):
        args = tuple(to_device(arg, place) for arg in fixed_rows(task, rows, seed))
    trajectory = Trajectory(task, guide, chosen, steps, lr, seed, place)
    found = Gradients(task, [], mismatches)
    for name in places:
        values = trajectory.parameters(name)
        experiment = Experiment(task, guide, args, name, values, draws, tune, seed)
        references = References(experiment, reference_draws or REFERENCE_DRAWS * draws)
        _measure(experiment, references, kept, found, shown)
    found.settings = {
        "guide": _name_of(guide),
        "training": str(chosen),
        "steps": trajectory.steps,
        "draws": draws,
        "rows": len(args[0]),
        "seed": seed,
        "device": place,
        "seconds": TIMING,
    }
    return found


def _suitable(
    task: Task, guide: Callable, estimators: Sequence[Estimator]
) -> tuple[list[Estimator], dict[str, str]]:
    """The estimators that suit the model and the guide, and for the others the reason why not."""
    latents, kept, mismatches = describe_task(task), list[Estimator](), dict[str, str]()
    for one in estimators:
        sentence = mismatch(latents, one.guide or guide, one.objective)
        if sentence is None:
            kept.append(one)
        else:
            mismatches[one.name] = sentence
    return kept, mismatches


def _measure(
    experiment: Experiment,
    references: References,
    estimators: Sequence[Estimator],
    found: Gradients,
    shown: Callable[[str], None] | None,
) -> None:
    """Adds a row to `found` for each estimator, or the reason why it cannot be measured."""
    for one in estimators:
        if shown is not None:
            shown(f"{experiment.at}: {one.name}")
        try:
            row = experiment.measure(one, references.of(one.objective.target))
        except OtherParameters as error:
            found.mismatches[one.name] = str(error)
        else:
            found.rows.append(row)


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


def _check_training(
    steps: int | None,
    lr: float | None,
    tune: int,
    rows: int | None,
    reference_draws: int | None,
) -> None:
    if lr is not None:
        number("lr", lr, above=0.0, way="Pass e.g. lr=0.01.")
    whole("tune", tune, least=0)
    for name, value in {"steps": steps, "rows": rows, "reference_draws": reference_draws}.items():
        if value is not None:
            whole(name, value)


def _name_of(guide: Callable) -> str:
    if isinstance(guide, partial):
        settings = ", ".join(f"{name}={value}" for name, value in guide.keywords.items())
        return f"{_name_of(guide.func)}({settings})"
    return getattr(guide, "__name__", type(guide).__name__)
