"""The settings that a sweep tries: guides, objectives, and values of the settings of a fit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from zoo.checks.arguments import look_up, refusal
from zoo.comparison.aggregate import run_name
from zoo.comparison.comparison import COMMON_SETTINGS
from zoo.comparison.contenders import brief
from zoo.objectives import Objective, with_particles
from zoo.training.settings import Request

PARTICLES = "particles"  # a field of objectives, not a setting of `zoo.fit`
LONGEST = 200  # letters in the name of a run, which is that of its folder


@dataclass(frozen=True)
class Setting:
    """One of the settings that are tried, each with every seed.

    Attributes:
        guide: its name.
        objective: its name.
        values: setting of `zoo.fit`, or "particles" -> value, of those that the sweep varies.
    """

    guide: str
    objective: str
    values: dict[str, Any]

    @property
    def labels(self) -> dict[str, str]:
        """The values as text."""
        return {name: brief(value) for name, value in self.values.items()}

    def run(self, seed: int) -> str:
        """The name of its run of a seed, and of the run's folder."""
        own = "".join(f"-{name}={label}" for name, label in self.labels.items())
        return run_name(self.guide, f"{self.objective}{own}", seed)

    def __str__(self) -> str:
        own = [f"{name}={label}" for name, label in self.labels.items()]
        return ", ".join([self.guide, self.objective, *own])


def grid_of(settings: Mapping[str, Any], particles: object) -> tuple[dict, dict[str, list]]:
    """The settings that all runs have, and those of which several values are tried.

    Args:
        settings: as :func:`zoo.sweep` takes them; a list or tuple holds values to try.
        particles: one number, a list of them, or None.

    Raises:
        ValueError: for an unknown setting, an empty list, or a value that is listed twice.
    """
    for name in settings:
        look_up("setting of sweep", name, dict.fromkeys([*COMMON_SETTINGS, PARTICLES]))
    grid = {name: list(one) for name, one in settings.items() if isinstance(one, list | tuple)}
    common = {name: value for name, value in settings.items() if name not in grid}
    if particles is not None:
        grid[PARTICLES] = list(particles) if isinstance(particles, list | tuple) else [particles]
    for name, values in grid.items():
        labels = [brief(value) for value in values]
        if not values or len(set(labels)) < len(labels):
            way = f"Pass e.g. {name}=[...] with every value once, or {name}=... for all runs."
            raise refusal(name, "a list of different values", values, way)
    return common, grid


def settings_of(pairs: Sequence[tuple[str, str]], grid: Mapping[str, list]) -> list[Setting]:
    """Every pair of guide and objective with every combination of values.

    Raises:
        ValueError: if a folder of a run would have too long a name.
    """
    values = [dict(zip(grid, each, strict=True)) for each in product(*grid.values())]
    found = [Setting(*pair, each) for pair in pairs for each in values]
    long = [setting.run(0) for setting in found if len(setting.run(0)) > LONGEST]
    if long:
        raise ValueError(
            f"Expected names of runs of up to {LONGEST} letters; got '{long[0]}'. Give guides and "
            "objectives shorter names, by a mapping from names to them."
        )
    return found


def requests_of(
    setting: Setting, common: Mapping[str, Any], objective: Objective, seeds: int
) -> Iterator[Request]:
    """What is asked of the fit of each seed.

    Raises:
        ValueError: for particles of an objective that has none.
    """
    values = dict(setting.values)
    if PARTICLES in values:
        objective = with_particles(objective, values.pop(PARTICLES))
    for seed in range(seeds):
        yield Request(**(dict(common) | values), objective=objective, seed=seed)
