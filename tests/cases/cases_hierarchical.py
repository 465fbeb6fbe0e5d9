"""What the tests say of the models whose groups have an effect each, around one mean."""

import torch
from model_case import ROWS, ModelCase, Site
from torch import Tensor

from zoo.models.hierarchical.eight_schools import EightSchools
from zoo.models.hierarchical.varying_intercepts import VaryingIntercepts


def schools(rows: int) -> tuple[Tensor, Tensor]:
    sigma = torch.tensor([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]).double()
    return sigma, torch.tensor([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]).double()


def clinics(rows: int) -> tuple[Tensor]:
    return (1.0 + torch.randn(rows, 1) + 0.5 * torch.randn(rows, 3),)


HYPERS = {
    "mu": Site("continuous", "global", (), (), (), 1),
    "tau": Site("continuous", "global", (), (), (), 1),
}
EFFECTS = Site("continuous", "global", (), (8,), ("schools",), 8)

HIERARCHICAL_CASES: dict[str, ModelCase] = {
    "eight_schools": ModelCase(
        lambda: EightSchools(centred=True),
        schools,
        {**HYPERS, "theta": EFFECTS},
        ("y",),
        None,
        0,
        (64, 64),
    ),
    "eight_schools_noncentred": ModelCase(
        lambda: EightSchools(centred=False),
        schools,
        {**HYPERS, "eta": EFFECTS},
        ("y",),
        None,
        0,
        (64, 64),
    ),
    "varying_intercepts": ModelCase(
        lambda: VaryingIntercepts(3),
        clinics,
        {
            **HYPERS,
            "sigma": Site("continuous", "global", (), (), (), 1),
            "effect": Site("continuous", "local", (), (ROWS,), ("data",), ROWS),
        },
        ("x",),
        "data",
        3,
        (64, 64),
    ),
}
