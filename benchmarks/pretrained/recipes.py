"""Which fits are shipped, and the command that trains each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """A fit to be shipped.

    Attributes:
        says: what it is, in a few words.
        command: trains it; the folder that it writes to is added.
        draws: draws from the guide for each row, for scoring; None for the usual number.
        metrics: what is on its card; None for all that take seconds.
    """

    says: str
    command: str
    draws: int | None = None
    metrics: tuple[str, ...] | None = None


RECIPES: dict[str, Recipe] = {
    "categorical_vae": Recipe(
        "VAE with 10 one-hot latents of 8, by leave-one-out gradients",
        "zoo fit categorical_vae --guide amortised_discrete --objective rloo --steps 20000 "
        "--lr 1e-3",
    ),
    "eight_schools": Recipe(
        "Eight schools, non-centred, full-rank normal",
        "zoo fit eight_schools_noncentred --guide full_rank",
        draws=100_000,
    ),
    "hmm": Recipe(
        "Hidden Markov model of 3 states",
        "zoo fit hmm --steps 6000 --lr 3e-3",
    ),
    "hvae": Recipe(
        "Hierarchical VAE of two groups of 10, top-down guide",
        "zoo fit hvae --groups 10,10 --guide top_down --steps 6000 --lr 1e-3",
    ),
    "iwae": Recipe(
        "VAE trained by the importance-weighted bound of 50 draws",
        "zoo fit vae --objective iwae --particles 50 --steps 6000 --lr 1e-3",
    ),
    "logistic_regression": Recipe(
        "Bayesian logistic regression, full-rank normal",
        "zoo fit logistic_regression --guide full_rank",
        metrics=("weights", "exact", "posterior", "two_sample", "psis", "from_prior", "prediction")
        + ("convergence", "ais"),
    ),
    "pixelvae": Recipe(
        "PixelVAE: the decoder reads the pixels drawn so far",
        "zoo fit vae --decoder pixel --steps 6000 --lr 1e-3",
        metrics=("weights", "psis", "latents", "convergence"),  # SMC and draws of rows take long
    ),
    "sigmoid_belief": Recipe(
        "Sigmoid belief net of two layers of 8, by leave-one-out gradients",
        "zoo fit sigmoid_belief --objective rloo --steps 40000 --lr 3e-3",
    ),
    "vae": Recipe(
        "VAE with an autoregressive flow as its guide",
        "zoo fit vae --guide amortised_iaf --steps 6000 --lr 1e-3",
    ),
    "vae_fashion": Recipe(
        "VAE of clothes, 20 latents, autoregressive flow as its guide",
        "zoo fit vae --data fashion_mnist --latent 20 --guide amortised_iaf --steps 20000 "
        "--lr 1e-3",
    ),
}
LICENCES = {  # of the data sets
    "breast_cancer": "UCI Machine Learning Repository, Breast Cancer Wisconsin (Diagnostic): "
    "CC BY 4.0",
    "digits": "UCI Machine Learning Repository, Optical Recognition of Handwritten Digits: "
    "CC BY 4.0",
    "eight_schools": "Eight published estimates with their errors (Rubin 1981)",
    "fashion_mnist": "Zalando Research, Fashion-MNIST: MIT",
    "hmm": "Simulated by the zoo: Apache-2.0",
}
