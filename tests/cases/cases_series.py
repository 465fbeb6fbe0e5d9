"""What the tests say of models of one series or table, all of whose latents are shared."""

from collections.abc import Callable

import torch
from model_case import ModelCase, Site
from torch import Tensor, nn

from zoo.models.hierarchical.item_response import ItemResponse
from zoo.models.regression.log_gaussian_cox import LogGaussianCox
from zoo.models.time_series.autoregression import Autoregression
from zoo.models.time_series.change_point import ChangePoint
from zoo.models.time_series.garch import Garch
from zoo.models.time_series.lotka_volterra import LotkaVolterra
from zoo.models.time_series.stochastic_volatility import StochasticVolatility

LENGTH, ANSWERS = 6, (3, 2)


def shared(*shape: int) -> Site:
    """A latent without plates, of so many numbers."""
    return Site("continuous", "global", shape, (), (), max(1, *shape) if shape else 1)


def series(rows: int) -> tuple[Tensor]:
    return (torch.randn(LENGTH),)


def counts(rows: int) -> tuple[Tensor]:
    return (torch.tensor([3.0, 2.0, 4.0, 0.0, 1.0, 0.0]).double(),)


def pairs(rows: int) -> tuple[Tensor]:
    return (torch.tensor([[30.0, 4.0], [47.2, 6.1], [70.2, 9.8]]).double(),)


def case(
    build: Callable[[], nn.Module],
    data: Callable[[int], tuple[Tensor, ...]],
    sites: dict[str, Site],
    observed: str = "y",
) -> ModelCase:
    return ModelCase(build, data, sites, (observed,), None, 0, (64, 64), nesting=0)


SERIES_CASES: dict[str, ModelCase] = {
    "autoregression": case(
        Autoregression, series, {"c": shared(), "phi": shared(2), "sigma": shared()}, "y_next"
    ),
    "change_point": case(ChangePoint, counts, {"early": shared(), "late": shared()}),
    "garch": case(
        Garch, series, {name: shared() for name in ("m", "base", "persistence", "share")}
    ),
    "lotka_volterra": case(
        LotkaVolterra, pairs, {"theta": shared(4), "z_init": shared(2), "sigma": shared(2)}
    ),
    "stochastic_volatility": case(
        StochasticVolatility,
        series,
        {"mu": shared(), "phi": shared(), "sigma": shared(), "eta": shared(LENGTH)},
    ),
    "item_response": case(
        ItemResponse,
        lambda rows: (torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]).double(),),
        {
            "ability": shared(ANSWERS[0]),
            "difficulty": shared(ANSWERS[1]),
            "discrimination": shared(ANSWERS[1]),
        },
    ),
    "log_gaussian_cox": case(
        LogGaussianCox,
        lambda rows: (torch.arange(6.0).double(), *counts(rows)),
        {"m": shared(), "eta": shared(6)},
    ),
}
