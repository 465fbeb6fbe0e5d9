"""What the tests say of the densities that are drawn from a base and corrected by a factor."""

from collections.abc import Callable

import torch
from model_case import ModelCase, Site
from torch import Tensor, nn

from zoo.models.targets.double_well_particles import DoubleWellParticles
from zoo.models.targets.facing_moons import FacingMoons
from zoo.models.targets.forty_gaussians import FortyGaussians
from zoo.models.targets.lattice_phi4 import LatticePhi4
from zoo.models.targets.many_well import ManyWell


def target(
    build: Callable[[], nn.Module], data: Callable[[], tuple[Tensor, ...]], size: int
) -> ModelCase:
    """A density of so many numbers, all of them at site x, that observes nothing but a factor."""
    site = Site("continuous", "global", (size,), (), (), size)
    return ModelCase(
        build, lambda rows: data(), {"x": site}, ("target",), None, 0, (64, 64), nesting=0
    )


def planar() -> tuple[Tensor, Tensor]:
    """Means and scales of three Gaussians."""
    return torch.tensor([[-1.0, 0.0], [2.0, 1.0], [0.5, -2.0]]), torch.tensor([0.7, 0.5, 1.0])


TARGET_CASES: dict[str, ModelCase] = {
    "facing_moons": target(FacingMoons, lambda: (torch.tensor([2.0, 0.4, 0.6]),), 2),
    "forty_gaussians": target(FortyGaussians, planar, 2),
    "many_well": target(lambda: ManyWell(2), lambda: (torch.tensor([-0.5, -3.0, 1.0]),), 4),
    "lattice_phi4": target(
        lambda: LatticePhi4(around=1, along=3), lambda: (torch.tensor([-1.0, 0.3]),), 3
    ),
    "double_well_particles": target(
        DoubleWellParticles, lambda: (torch.tensor([-0.3, 0.05, 2.0]),), 8
    ),
}
