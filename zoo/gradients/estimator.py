"""Gradient estimators by name: an objective, and the guide that it needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pyro.infer import ELBO

from zoo.checks.arguments import instance, keep_number
from zoo.latents import Family
from zoo.objectives import OBJECTIVES, Objective, as_objective
from zoo.pairing.guide_input import check_guide


@dataclass(frozen=True)
class Estimator:
    """One gradient estimator: an objective, and the guide that it needs.

    Attributes:
        name: its name in tables.
        objective: whose loss is differentiated.
        guide: None for the guide of the comparison; else one with the same parameters, e.g. a
            relaxed one.
        temperature: of a relaxed guide.
    """

    name: str
    objective: Objective
    guide: Callable | None = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        instance("name", self.name, str, "Pass e.g. name='gumbel_softmax'.")
        instance("objective", self.objective, Objective, "Pass e.g. zoo.objectives.Trace().")
        if self.guide is not None:
            check_guide(self.guide)
        if self.temperature is not None:
            keep_number(self, "temperature", above=0.0, way="Pass e.g. temperature=0.5.")


def as_estimator(given: "str | Objective | ELBO | Estimator") -> Estimator:
    """An estimator from its name, its objective, or itself.

    Raises:
        ValueError: for a name that is not in ``zoo.objectives.OBJECTIVES``.
    """
    if isinstance(given, Estimator):
        return given
    objective = as_objective(given)
    if isinstance(given, str):
        return Estimator(given, objective)
    named = (name for name, other in OBJECTIVES.items() if other == objective)
    return Estimator(next(named, repr(objective)), objective)


def expand(estimators: Sequence[Estimator], temperatures: Sequence[float]) -> list[Estimator]:
    """The estimators, those with a relaxed guide once for each temperature.

    Raises:
        ValueError: if there is no temperature for a relaxed guide.
    """
    found = []
    for one in estimators:
        if one.guide is None or one.temperature is not None or not _relaxes(one.guide):
            found.append(one)
            continue
        if not temperatures:
            raise ValueError(
                f"Expected temperatures for the relaxed guide of '{one.name}'; got none. Pass "
                "temperatures=(0.5,)."
            )
        for tau in temperatures:
            found.append(replace(one, guide=partial(one.guide, temperature=tau), temperature=tau))
    return found


def _relaxes(guide: Callable) -> bool:
    family = guide.func if isinstance(guide, partial) else guide
    return isinstance(family, type) and issubclass(family, Family) and family.relaxes
