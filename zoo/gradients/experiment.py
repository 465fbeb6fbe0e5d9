"""Measures estimators at one place: the same pair, rows and parameters for all of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from zoo.gradients.bias import Bias, Reference, bias, length
from zoo.gradients.estimator import Estimator
from zoo.gradients.exact import reference
from zoo.gradients.fixed_program import FixedProgram, Parameters, build_fixed
from zoo.gradients.moments import Moments, moments
from zoo.gradients.results import GradientRow, Value
from zoo.isolation import in_double, isolated, seed_all
from zoo.metrics.means import mean_error
from zoo.objectives import Objective
from zoo.objectives.target import Target
from zoo.task import Task

REFERENCE_SEED = 10_000  # added to the seed, so that a reference is independent of estimators


@dataclass(frozen=True)
class Experiment:
    """What is the same for all estimators at one place.

    Attributes:
        task: builds the model.
        guide: the family, for estimators without one of their own.
        args: arguments of the model, with the observed rows.
        at: name of the place: "initial", "middle" or "trained".
        values: the parameters at this place, by name.
        draws: number of gradients drawn from each estimator.
        tune: steps of tuning the objective's own parameters.
        seed: of the noise.
    """

    task: Task
    guide: Callable
    args: tuple
    at: str
    values: Parameters
    draws: int
    tune: int
    seed: int

    def build(self, objective: Objective, guide: Callable | None = None) -> FixedProgram:
        """The pair with an objective, at the parameters of this place."""
        return build_fixed(self.task, guide or self.guide, objective, self.args, self.values)

    def measure(self, estimator: Estimator, known: Reference | None) -> GradientRow:
        """The bias, variance and cost of an estimator, after its own parameters are tuned."""
        with isolated(seed=self.seed), in_double():
            one = self.build(estimator.objective, estimator.guide)
            tuned = one.tune(self.tune)
            seed_all(self.seed)
            found = moments(one.sampler, self.draws, one.groups)
            seconds = one.seconds()
        return row_of(estimator, self.at, one, found, known, tuned, seconds)


@dataclass
class References:
    """The reference gradients at one place, each computed once.

    Attributes:
        experiment: the pair, rows and parameters.
        draws: number of draws of a long run, where there is no exact sum.
    """

    experiment: Experiment
    draws: int
    _known: dict[Target, Reference | None] = field(default_factory=dict)

    def of(self, target: Target) -> Reference | None:
        """The reference gradient of a target; None if it is not known."""
        if target not in self._known:
            with isolated(seed=self.experiment.seed + REFERENCE_SEED), in_double():
                self._known[target] = reference(target, self.experiment.build, self.draws)
        return self._known[target]


def row_of(
    estimator: Estimator,
    at: str,
    one: FixedProgram,
    found: Moments,
    known: Reference | None,
    tuned: int,
    seconds: float,
) -> GradientRow:
    """The row of the results table for one estimator."""
    spread = found.spread.items()
    variance = {name: Value(float(parts.mean()), mean_error(parts)) for name, parts in spread}
    evaluations = estimator.objective.evaluations(one.program.latents)
    total, off = variance["total"].value, None if known is None else bias(found, known)
    return GradientRow(
        objective=estimator.name,
        at=at,
        temperature=estimator.temperature,
        target=estimator.objective.target.name,
        reference="" if known is None else known.says,
        draws=found.draws,
        tuned=tuned,
        bias_p_value=None if off is None else off.p_value,
        bias_max_z=None if off is None else off.max_z,
        bias_max_z_p_value=None if off is None else off.max_z_p_value,
        bias_max_z_of="" if off is None else one.owners[off.coordinate],
        bias=None if off is None else _numbers(off),
        variance=variance,
        snr=_signal(found, known) / math.sqrt(total) if total else math.inf,
        evaluations=evaluations,
        seconds=seconds,
        cost=total * evaluations,
        cost_seconds=total * seconds,
    )


def _numbers(off: Bias) -> dict[str, float]:
    return {
        "norm": off.norm,
        "se": off.se,
        "relative": off.relative,
        "relative_se": off.relative_se,
    }


def _signal(found: Moments, known: Reference | None) -> float:
    """Norm of the reference gradient; if it is not known everywhere, of the mean, less noise."""
    if known is not None and known.gradient.isfinite().all():
        return float(known.gradient.norm())
    return length(found.means)[0]
