"""What the tests say of the posteriors on data whose latents are all global and continuous."""

import torch
from model_case import ModelCase, Site
from torch import Tensor

from zoo.models.hierarchical.radon import Radon
from zoo.models.hierarchical.seeds import Seeds
from zoo.models.regression.sparse_logistic import SparseLogistic

SCALAR = Site("continuous", "global", (), (), (), 1)


def vector(size: int) -> Site:
    return Site("continuous", "global", (size,), (), (), size)


def plates(rows: int) -> tuple[Tensor, ...]:
    kinds = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]).double().unbind()
    counts = torch.tensor([[9.0, 6.0, 4.0], [3.0, 4.0, 0.0]]).double().unbind()
    return *kinds, *counts


def houses(rows: int) -> tuple[Tensor, Tensor]:
    county = (torch.arange(rows) % 2).double()
    return torch.stack([county, county * 0 + 1, torch.randn(rows)], -1), torch.randn(rows)


def labelled_rows(rows: int) -> tuple[Tensor, Tensor]:
    x = torch.cat([torch.ones(rows, 1), torch.randn(rows, 2)], 1)
    return x, torch.bernoulli(torch.full((rows,), 0.5))


POSTERIOR_CASES: dict[str, ModelCase] = {
    "seeds": ModelCase(
        Seeds,
        plates,
        {
            "alpha": vector(4),
            "tau": SCALAR,
            "eta": Site("continuous", "global", (), (3,), ("plates",), 3),
        },
        ("r",),
        None,
        0,
        (64, 64),
    ),
    "radon": ModelCase(
        lambda: Radon(2),
        houses,
        {
            "mu": vector(3),
            "spread": vector(2),
            "sigma": SCALAR,
            "eta": Site("continuous", "global", (2,), (2,), ("counties",), 4),
        },
        ("y",),
        "data",
        4,
        (64, 64),
    ),
    "sparse_logistic": ModelCase(
        lambda: SparseLogistic(3),
        labelled_rows,
        {
            "tau": SCALAR,
            "slab": SCALAR,
            "intercept": SCALAR,
            "lambda": vector(2),
            "z": vector(2),
        },
        ("y",),
        "data",
        4,
        (64, 64),
    ),
}
