"""Discrete latents: a sum over all states gives the evidence of small models."""

from zoo.models.discrete import jigsaw
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.categorical_vae import CategoricalVAE
from zoo.models.discrete.gaussian_mixture import GaussianMixture
from zoo.models.discrete.latent_permutation import LatentPermutation
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.models.parts import Parts
from zoo.models.recipe import Recipe

DISCRETE: dict[str, Recipe] = {
    "bernoulli_latent": Recipe(
        build=lambda data: BernoulliLatent(data.features),
        labels=("x",),
        data="digits",
        guide="amortised_discrete",
        objective="nvil",
    ),
    "categorical_vae": Recipe(
        build=lambda data: CategoricalVAE(data.features),
        labels=("x",),
        data="digits",
        guide="relaxed",
    ),
    "sigmoid_belief": Recipe(
        build=lambda data, parts: SigmoidBeliefNet(data.features, layers=parts.groups),
        labels=("x",),
        data="digits",
        guide="amortised_layers",
        objective="rloo",
        parts=Parts(groups=(8, 8)),
    ),
    "gaussian_mixture": Recipe(
        build=lambda data: GaussianMixture(data.features, components=3),
        labels=("x",),
        data="gaussian_mixture",
        guide="amortised_discrete",
        objective="enumerate",
        lr=1e-2,
    ),
    "latent_permutation": Recipe(
        build=lambda data: LatentPermutation(data.features),
        labels=("x",),
        data="lost_labels",
        guide="amortised_matching",
        objective="rloo",
        lr=1e-2,
    ),
    "jigsaw": Recipe(
        build=jigsaw.from_data,
        labels=("x",),
        data="digits_jigsaw",
        guide="amortised_matching",
        objective="rloo",
        lr=3e-3,
    ),
}
