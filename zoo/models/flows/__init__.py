"""Normalising flows as densities: nothing is latent, and log p(x) of every row is exact."""

from collections.abc import Callable

from torch import nn

from zoo.data import Data
from zoo.models.flows import iaf, maf, naf, nsf, realnvp
from zoo.models.recipe import Recipe


def _recipe(build: Callable[[Data], nn.Module]) -> Recipe:
    return Recipe(
        build=build,
        labels=("x",),
        data="two_moons",
        guide="empty",
        binarize="none",
        steps=3000,
        lr=2e-3,
        rate_falls=True,
        batch_size=200,
    )


FLOWS: dict[str, Recipe] = {
    "realnvp": _recipe(realnvp.from_data),
    "maf": _recipe(maf.from_data),
    "iaf_density": _recipe(iaf.from_data),
    "naf": _recipe(naf.from_data),
    "nsf": _recipe(nsf.from_data),
}
