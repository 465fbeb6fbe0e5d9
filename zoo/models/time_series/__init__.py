"""Time series: many short ones, each with latents of its own; exact by recursion where linear."""

from zoo.models.parts import Parts
from zoo.models.recipe import Recipe
from zoo.models.time_series.deep_markov import from_parts as deep_markov
from zoo.models.time_series.hmm import HiddenMarkov
from zoo.models.time_series.local_level import LocalLevel

TIME_SERIES: dict[str, Recipe] = {
    "hmm": Recipe(
        build=lambda data: HiddenMarkov(data.features, states=3),
        labels=("x",),
        data="hmm",
        guide="amortised_discrete",
        objective="rloo",
        lr=1e-2,
    ),
    "local_level": Recipe(
        build=lambda data: LocalLevel(data.features),
        labels=("x",),
        data="local_level",
        guide="amortised_full_rank",
        objective="mean_field",
        lr=3e-3,
        rate_falls=True,
    ),
    "deep_markov": Recipe(
        build=deep_markov,
        labels=("x", "seen"),
        data="chords",
        guide="amortised_recurrent",
        objective="mean_field",
        lr=3e-3,
        parts=Parts(latent=8),
    ),
}
