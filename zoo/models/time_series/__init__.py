"""Time series: many short ones with latents of their own, and single ones with shared latents."""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from zoo.models.parts import Parts
from zoo.models.recipe import Recipe
from zoo.models.time_series.autoregression import Autoregression
from zoo.models.time_series.change_point import ChangePoint
from zoo.models.time_series.deep_markov import from_parts as deep_markov
from zoo.models.time_series.garch import Garch
from zoo.models.time_series.hmm import HiddenMarkov
from zoo.models.time_series.local_level import LocalLevel
from zoo.models.time_series.lotka_volterra import LotkaVolterra
from zoo.models.time_series.stochastic_volatility import StochasticVolatility


def one_series(build: Callable[[], nn.Module], data: str) -> Recipe:
    """A model of one series, all of whose latents are numbers that the series shares."""
    return Recipe(
        build=lambda _: build(),
        labels=("y",),
        data=data,
        guide="full_rank",
        steps=5000,
        lr=1e-2,
        batch_size=None,
    )


TIME_SERIES: dict[str, Recipe] = {
    "autoregression": one_series(Autoregression, "autoregression"),
    "change_point": one_series(ChangePoint, "coal_mines"),
    "garch": one_series(Garch, "garch"),
    "lotka_volterra": replace(
        one_series(LotkaVolterra, "hudson_bay"),
        init={  # of chains that begin elsewhere, some stay in modes of large noise
            "theta": (0.55, 0.03, 0.8, 0.025),
            "z_init": (34.0, 6.0),
            "sigma": (0.25, 0.25),
        },
    ),
    "stochastic_volatility": one_series(StochasticVolatility, "stochastic_volatility"),
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
