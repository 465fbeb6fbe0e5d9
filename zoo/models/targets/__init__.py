"""Toys: known densities with nothing observed, shaped to be hard for a guide."""

from zoo.models.recipe import Recipe
from zoo.models.targets.banana import Banana
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
}
