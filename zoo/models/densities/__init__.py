"""Explicit densities: autoregressive models whose log p(x) is exact, without a guide."""

from zoo.models.densities import darn, eonade, gated_pixelcnn, made, nade, pixelcnn
from zoo.models.parts import Parts
from zoo.models.recipe import Recipe

BITS = Parts(likelihood="bernoulli")

DENSITIES: dict[str, Recipe] = {
    "nade": Recipe(
        build=nade.from_parts,
        labels=("x",),
        data="digits",
        guide="empty",
        parts=BITS,
    ),
    "rnade": Recipe(
        build=nade.from_parts,
        labels=("x",),
        data="gaussian_mixture",
        guide="empty",
        lr=3e-3,
        parts=Parts(likelihood="gaussian_mixture"),
    ),
    "eonade": Recipe(
        build=eonade.from_parts,
        labels=("x",),
        data="digits",
        guide="empty",
        parts=BITS,
    ),
    "made": Recipe(
        build=made.from_parts,
        labels=("x",),
        data="digits",
        guide="empty",
        parts=BITS,
    ),
    "fvsbn": Recipe(
        build=made.fully_visible,
        labels=("x",),
        data="digits",
        guide="empty",
        lr=3e-3,
        parts=BITS,
    ),
    "pixelcnn": Recipe(
        build=pixelcnn.from_parts,
        labels=("x",),
        data="digits",
        guide="empty",
        parts=BITS,
    ),
    "gated_pixelcnn": Recipe(
        build=gated_pixelcnn.from_parts,
        labels=("x",),
        data="digits",
        guide="empty",
        parts=BITS,
    ),
    "darn": Recipe(
        build=darn.from_parts,
        labels=("x",),
        data="digits",
        guide="amortised_discrete",
        objective="nvil",
        parts=Parts(latent=10),
    ),
}
