"""Energies: models whose log p(x) is known up to a constant log Z of their parameters."""

from zoo.models.energies import dbm, dbn, rbm
from zoo.models.parts import Parts
from zoo.models.recipe import Recipe

ENERGIES: dict[str, Recipe] = {
    "rbm": Recipe(
        build=rbm.from_parts,
        labels=("x",),
        data="digits",
        guide="empty",
        objective="pcd",
        lr=5e-3,
        rate_falls=True,
        parts=Parts(latent=64),
    ),
    "dbm": Recipe(
        build=dbm.from_parts,
        labels=("x",),
        data="digits",
        guide="coordinate_ascent",
        objective="pcd",
        lr=5e-3,
        rate_falls=True,
        parts=Parts(groups=(32, 64)),
    ),
    "dbn": Recipe(
        build=dbn.from_parts,
        labels=("x",),
        data="digits",
        guide="amortised_layers",
        objective="pcd_rloo",
        lr=5e-3,
        rate_falls=True,
        parts=Parts(groups=(32, 64)),
    ),
}
