"""Toys: known densities with nothing observed, shaped to be hard for a guide."""

from zoo.models.recipe import Recipe
from zoo.models.targets.banana import Banana
from zoo.models.targets.double_well_particles import DoubleWellParticles
from zoo.models.targets.facing_moons import FacingMoons
from zoo.models.targets.forty_gaussians import FortyGaussians
from zoo.models.targets.lattice_phi4 import LatticePhi4
from zoo.models.targets.many_well import ManyWell
from zoo.models.targets.neals_funnel import NealsFunnel

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
    "facing_moons": Recipe(
        build=lambda data: FacingMoons(),
        labels=("shape",),
        data="facing_moons",
        guide="iaf",
        lr=1e-2,
        batch_size=None,
    ),
    "forty_gaussians": Recipe(
        build=lambda data: FortyGaussians(),
        labels=("means", "scales"),
        data="forty_gaussians",
        guide="iaf",
        lr=1e-2,
        batch_size=None,
    ),
    "many_well": Recipe(
        build=lambda data: ManyWell(),
        labels=("coefficients",),
        data="many_well",
        guide="iaf",
        lr=1e-2,
        batch_size=None,
    ),
    "lattice_phi4": Recipe(
        build=lambda data: LatticePhi4(),
        labels=("coefficients",),
        data="lattice_phi4",
        guide="iaf",
        lr=1e-2,
        batch_size=None,
    ),
    "double_well_particles": Recipe(
        build=lambda data: DoubleWellParticles(),
        labels=("coefficients",),
        data="double_well_particles",
        guide="iaf",
        lr=1e-2,
        batch_size=None,
    ),
}
