"""Variational autoencoders: only the generative halves, built from parts; encoders are guides.

Each file has `from_parts(data, parts)`, which makes its model with fresh parameters.
"""

from zoo.models.parts import Parts
from zoo.models.recipe import Recipe
from zoo.models.vaes import (
    bernoulli_vae,
    dequantised_vae,
    dlgm,
    flow_vae,
    gaussian_vae,
    hvae,
    hyperbolic_vae,
    hyperspherical_vae,
    multimodal_vae,
    self_vae,
    vae,
)

VAES: dict[str, Recipe] = {
    "bernoulli_vae": Recipe(
        build=bernoulli_vae.from_parts,
        labels=("x",),
        data="digits",
        guide="amortised_normal",
        shared_guide="shared",
        steps=1000,
        lr=2e-3,
        parts=Parts(prior="standard", latent=10),
    ),
    "gaussian_vae": Recipe(
        build=gaussian_vae.from_parts,
        labels=("x",),
        data="digits",
        binarize="none",
        guide="amortised_normal",
        shared_guide="shared",
        objective="mean_field",
        parts=Parts(prior="standard", latent=10),
    ),
    "vae": Recipe(
        build=vae.from_parts,
        labels=("x",),
        data="digits",
        guide="amortised_normal",
        shared_guide="shared",
        steps=1000,
        lr=2e-3,
        parts=Parts(prior="standard", likelihood="bernoulli", decoder="mlp", latent=10),
    ),
    "dequantised_vae": Recipe(
        build=dequantised_vae.from_parts,
        labels=("x",),
        data="digits",
        binarize="none",
        guide="uniform_noise",
        parts=Parts(prior="standard", decoder="mlp", latent=10),
    ),
    "hvae": Recipe(
        build=hvae.from_parts,
        labels=("x",),
        data="digits",
        guide="top_down",
        parts=Parts(prior="standard", likelihood="bernoulli", groups=(8, 16)),
    ),
    "dlgm": Recipe(
        build=dlgm.from_parts,
        labels=("x",),
        data="digits",
        guide="amortised_normal",
        parts=Parts(prior="standard", likelihood="bernoulli", groups=(8, 16)),
    ),
    "flow_vae": Recipe(
        build=flow_vae.from_parts,
        labels=("x",),
        data="digits",
        binarize="none",
        guide="amortised_iaf",
        parts=Parts(prior="realnvp", decoder="mlp", latent=10),
    ),
    "self_vae": Recipe(
        build=self_vae.from_parts,
        labels=("x",),
        data="digits",
        guide="amortised_normal",
        parts=Parts(prior="standard", latent=10),
    ),
    "hyperspherical_vae": Recipe(
        build=hyperspherical_vae.from_parts,
        labels=("x",),
        data="digits",
        guide="amortised_power_spherical",
        objective="mean_field",
        steps=1000,
        lr=2e-3,
        parts=Parts(likelihood="bernoulli", decoder="mlp", latent=10),
    ),
    "hyperbolic_vae": Recipe(
        build=hyperbolic_vae.from_parts,
        labels=("x",),
        data="digits",
        guide="amortised_wrapped_normal",
        steps=1000,
        lr=2e-3,
        parts=Parts(likelihood="bernoulli", decoder="mlp", latent=5),
    ),
    "multimodal_vae": Recipe(
        build=multimodal_vae.from_parts,
        labels=("x", "y", "seen"),
        data="digits_labels",
        guide="product_of_experts",
        steps=3000,
        lr=3e-3,
        parts=Parts(prior="standard", latent=10),
    ),
}
