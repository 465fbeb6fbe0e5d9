"""Toys: known densities with nothing observed, shaped to be hard for a guide."""

from collections.abc import Callable

from torch import nn

from zoo.models.recipe import Recipe
from zoo.models.targets.banana import Banana
from zoo.models.targets.double_well_particles import DoubleWellParticles
from zoo.models.targets.facing_moons import FacingMoons
from zoo.models.targets.forty_gaussians import FortyGaussians
from zoo.models.targets.lattice_phi4 import LatticePhi4
from zoo.models.targets.many_well import ManyWell
from zoo.models.targets.neals_funnel import NealsFunnel


def density(name: str, build: Callable[[], nn.Module], labels: tuple[str, ...]) -> Recipe:
    """A density whose data, of the same name, are its constants."""
    return Recipe(
        build=lambda data: build(),
        labels=labels,
        data=name,
        guide="iaf",
        lr=1e-2,
        batch_size=None,
    )


TARGETS: dict[str, Recipe] = {
    "neals_funnel": Recipe(
        build=lambda data: NealsFunnel(data.features - 1),
        labels=("scale",),
        data="neals_funnel",
        guide="iaf",
        lr=1e-2,
        batch_size=None,
        noncentred=("x",),
    ),
    "banana": Recipe(
        build=lambda data: Banana(),
        labels=("scale",),
        data="banana",
        guide="iaf",
        lr=1e-2,
        batch_size=None,
        noncentred=("x2",),
    ),
    "facing_moons": density("facing_moons", FacingMoons, ("shape",)),
    "forty_gaussians": density("forty_gaussians", FortyGaussians, ("means", "scales")),
    "many_well": density("many_well", ManyWell, ("coefficients",)),
    "lattice_phi4": density("lattice_phi4", LatticePhi4, ("coefficients",)),
    "double_well_particles": density(
        "double_well_particles", DoubleWellParticles, ("coefficients",)
    ),
}
