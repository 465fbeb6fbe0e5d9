"""One place at which estimators are measured: a pair, its rows and its parameters."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.gradients.bias import Bias, Reference, bias, length
from zoo.gradients.estimator import Estimator
from zoo.gradients.exact import reference
from zoo.gradients.fixed_program import FixedProgram, Parameters, measured
from zoo.gradients.moments import Moments, moments
from zoo.gradients.results import GradientRow, Value
from zoo.isolation import in_double, isolated
from zoo.objectives import Objective
from zoo.objectives.target import Target
from zoo.task import Task

ELSEWHERE = 10_000  # the reference's noise is not the estimators'


@dataclass(frozen=True)
class Experiment:
    """Everything that is the same for all estimators at one place.

    Attributes:
        task: builds the model.
        guide: the family, for estimators without one of their own.
        args: the rows, observed.
        at: name of the place.
        values: the parameters there.
        draws: gradients of each estimator.
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
        """The pair with an objective, at the place's parameters."""
        return measured(self.task, guide or self.guide, objective, self.args, self.values)

    def measure(self, estimator: Estimator, known: Reference | None) -> GradientRow:
        """Tunes an estimator, draws its gradients, and holds them against the reference."""
        with isolated(seed=self.seed), in_double():
            one = self.build(estimator.objective, estimator.guide)
            tuned = one.tune(self.tune)
            torch.manual_seed(self.seed)
            found = moments(one.sampler, self.draws, one.groups)
            seconds = one.seconds()
        return row_of(estimator, self.at, one, found, known, tuned, seconds)


@dataclass
class References:
    """The exact gradients at one place, each computed once.

    Attributes:
        experiment: the place.
        draws: length of a run, where there is no sum.
    """

    experiment: Experiment
    draws: int
    _known: dict[Target, Reference | None] = field(default_factory=dict)

    def of(self, target: Target) -> Reference | None:
        """The gradient of a target, or None."""
        if target not in self._known:
            with isolated(seed=self.experiment.seed + ELSEWHERE), in_double():
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
    """Puts together what was measured of one estimator."""
    variance = {name: _mean(parts) for name, parts in found.spread.items()}
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
    """Norm of the exact gradient; of the mean less its noise, if it is not known everywhere."""
    if known is not None and known.gradient.isfinite().all():
        return float(known.gradient.norm())
    return length(found.means)[0]


def _mean(parts: Tensor) -> Value:
    return Value(float(parts.mean()), float(parts.std()) / math.sqrt(len(parts)))
