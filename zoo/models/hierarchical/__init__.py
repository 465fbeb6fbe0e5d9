"""Hierarchical models: groups whose parameters share a prior that is inferred with them."""

from zoo.data.bars import WORDS
from zoo.data.radon import COUNTIES
from zoo.data.ratings import FACTORS, ITEMS, USERS
from zoo.models.hierarchical.eight_schools import EightSchools
from zoo.models.hierarchical.item_response import ItemResponse
from zoo.models.hierarchical.lda import LatentDirichletAllocation
from zoo.models.hierarchical.matrix_factorisation import MatrixFactorisation
from zoo.models.hierarchical.radon import Radon
from zoo.models.hierarchical.seeds import Seeds
from zoo.models.hierarchical.varying_intercepts import VaryingIntercepts
from zoo.models.recipe import Recipe

HIERARCHICAL: dict[str, Recipe] = {
    "eight_schools": Recipe(
        build=lambda data: EightSchools(centred=True),
        labels=("sigma", "y"),
        data="eight_schools",
        guide="mean_field",
        steps=5000,
        lr=1e-2,
        batch_size=None,
        noncentred=("theta",),
    ),
    "eight_schools_noncentred": Recipe(
        build=lambda data: EightSchools(centred=False),
        labels=("sigma", "y"),
        data="eight_schools",
        guide="mean_field",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "item_response": Recipe(
        build=lambda data: ItemResponse(),
        labels=("y",),
        data="item_response",
        guide="full_rank",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "varying_intercepts": Recipe(
        build=lambda data: VaryingIntercepts(data.train[0].shape[-1]),
        labels=("x",),
        data="clinics",
        guide="full_rank+conditioned_normal",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "lda": Recipe(
        build=lambda data: LatentDirichletAllocation(data.features, WORDS),
        labels=("x",),
        data="bars",
        guide="amortised_normal",
        steps=5000,
        lr=1e-2,
        rate_falls=True,
    ),
    "matrix_factorisation": Recipe(
        build=lambda data: MatrixFactorisation(USERS, ITEMS, FACTORS),
        labels=("x", "y"),
        data="ratings",
        guide="mean_field",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "seeds": Recipe(
        build=lambda data: Seeds(),
        labels=("x1", "x2", "n", "r"),
        data="seeds",
        guide="full_rank",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
    "radon": Recipe(
        build=lambda data: Radon(COUNTIES),
        labels=("x", "y"),
        data="radon",
        guide="mean_field",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    ),
}
