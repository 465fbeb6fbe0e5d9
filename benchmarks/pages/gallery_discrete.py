"""The sections of docs/gallery.md on discrete latents: classes, permutations, layers of bits."""

from benchmarks.estimators import jigsaw as estimators_jigsaw
from benchmarks.estimators import permutations as estimators_permutations
from benchmarks.estimators import wake_sleep as estimators_wake_sleep
from benchmarks.pages.gallery_section import Section
from benchmarks.pages.gallery_tables import temperatures

DISCRETE = (
    Section(
        "Categorical VAE: temperature",
        "z = softmax((log pi + g) / tau)",
        "Against the enumerated gradient: bias falls and variance rises as tau goes to 0. RLOO, "
        "without bias, has the variance of Gumbel-softmax at about tau = 0.8.",
        ("zoo fit categorical_vae --guide straight_through",),
        "python -m benchmarks.estimators.temperature",
        "temperature.png",
        "temperature.json",
        temperatures,
    ),
    Section(
        "Latent permutation: sorting with noise",
        "pi ~ Uniform(orders),   x_(pi_i) ~ N(mu_i, s^2)",
        "The sum over all 120 orders is the exact gradient. Score functions are without bias; "
        "Gumbel-Sinkhorn misses the gradient by about its own length, at every temperature. With "
        "the KL of its noise it grows with exp(-S), beyond all bounds at scores S that suit "
        "permutations. In the fits the model learns too: where log p(x) is -9.12 it has made all "
        "items alike, so that every order is as likely and a KL near 0 says nothing. The "
        "fits by RLOO learn the items in all five seeds; in 500 steps those of a race and of a "
        "matching come within 0.05 nats of the posterior, those of Mallows' family within 0.33. "
        "Gumbel-Sinkhorn with the KL learns them in part.",
        (
            "zoo fit latent_permutation",
            "zoo fit latent_permutation --guide gumbel_sinkhorn --objective mean_field",
        ),
        "python -m benchmarks.estimators.permutations",
        "permutations.png",
        "permutations.json",
        estimators_permutations.table,
    ),
    Section(
        "Latent permutation: jigsaws of digits",
        "pi ~ Uniform(orders),   k ~ Categorical(w),   x_(pi_i) ~ Bern(p_(k, i))",
        "Digits of 8 by 8 bits in four tiles, shuffled. Shuffled pictures alone do not tell an "
        "order from the same order with the tiles renamed; so the density of pictures, 30 "
        "prototypes, is fitted to 797 complete pictures and held, and all guides of a seed have "
        "one exact posterior, whose best guess is the most that a guide can be asked for. That "
        "guess is right less often than the posterior's own probabilities say (the line below the "
        "table): the density of pictures is not quite true. After 400 steps every guide is behind "
        "it. Guides with a score for each tile in each place come nearest, Gumbel-Sinkhorn with "
        "the KL and matchings by RLOO first; a Plackett-Luce race, with one score for each place, "
        "is far off. In the picture what is not right is framed.",
        ("zoo fit jigsaw", "zoo fit jigsaw --data digits_jigsaw_6"),
        "python -m benchmarks.estimators.jigsaw",
        "jigsaw.png",
        "jigsaw.json",
        estimators_jigsaw.table,
    ),
    Section(
        "Helmholtz machine: wake-sleep against direct ascent",
        "z_2 ~ Bern(b),   z_1 ~ Bern(f(z_2)),   x ~ Bern(g(z_1)),   q(z_1 | x) q(z_2 | z_1)",
        "Exact log p(x) by summing all states. Wake-sleep trains q on data that the model "
        "simulates. It is behind direct ascent for the first 200 steps and level with it from 400 "
        "on; reweighted wake-sleep is not behind at any of the stops.",
        ("zoo fit sigmoid_belief --groups 4,8 --guide amortised_layers --objective wake_sleep",),
        "python -m benchmarks.estimators.run wake_sleep",
        "estimators_wake_sleep.png",
        "estimators/wake_sleep.json",
        estimators_wake_sleep.table,
    ),
)
