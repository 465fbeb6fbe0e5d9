"""What the tests say of the posteriors on data whose latents are all global and continuous."""

import torch
from model_case import ROWS, ModelCase, Site
from torch import Tensor

from zoo.models.hierarchical.lda import LatentDirichletAllocation
from zoo.models.hierarchical.matrix_factorisation import MatrixFactorisation
from zoo.models.hierarchical.radon import Radon
from zoo.models.hierarchical.seeds import Seeds
from zoo.models.regression.bnn import BayesianNetwork
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


def documents(rows: int) -> tuple[Tensor]:
    """Counts of three words, six in each document."""
    first = torch.arange(rows).double() % 5
    return (torch.stack([first, 5 - first, torch.ones(rows)], -1),)


def ratings(rows: int) -> tuple[Tensor, Tensor]:
    """Three users and two items."""
    number = torch.arange(rows).double()
    return torch.stack([number % 3, number % 2], -1), torch.randn(rows)


def regressed(rows: int) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, 2), torch.randn(rows)


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
    "lda": ModelCase(
        lambda: LatentDirichletAllocation(3, 6, topics=3),
        documents,
        {"theta": Site("continuous", "local", (3,), (ROWS,), ("data",), 2 * ROWS)},
        ("x",),
        "data",
        3,
        (64, 64),
    ),
    "matrix_factorisation": ModelCase(
        lambda: MatrixFactorisation(3, 2, 2),
        ratings,
        {
            "mu": SCALAR,
            "spread": SCALAR,
            "sigma": SCALAR,
            "user": Site("continuous", "global", (2,), (3,), ("users",), 6),
            "item": Site("continuous", "global", (2,), (2,), ("items",), 4),
        },
        ("y",),
        "data",
        3,
        (64, 64),
    ),
    "bnn": ModelCase(
        lambda: BayesianNetwork(2, 3),
        regressed,
        {
            "hidden": Site("continuous", "global", (3, 3), (), (), 9),
            "output": vector(4),
            "sigma": SCALAR,
        },
        ("y",),
        "data",
        3,
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
