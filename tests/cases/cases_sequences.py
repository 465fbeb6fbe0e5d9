"""What the tests say of the models whose rows are sequences, with a latent at every time."""

import torch
from model_case import ROWS, ModelCase, Site, local_normal, reals
from torch import Tensor

from zoo.models.time_series.deep_markov import DeepMarkov
from zoo.models.time_series.hmm import HiddenMarkov
from zoo.models.time_series.local_level import LocalLevel


def sequences(rows: int) -> tuple[Tensor, Tensor]:
    """Sequences of 1 to 3 times."""
    seen = (torch.arange(3) <= torch.arange(rows)[:, None] % 3).double()
    return torch.bernoulli(torch.full((rows, 3, 4), 0.4)) * seen[:, :, None], seen


SEQUENCE_CASES: dict[str, ModelCase] = {
    "hmm": ModelCase(
        lambda: HiddenMarkov(5, 2),
        reals,
        {f"z_{t}": Site("discrete", "local", (2,), (ROWS,), ("data",), 0) for t in range(5)},
        ("x",),
        "data",
        5,
        (64, 64),
    ),
    "deep_markov": ModelCase(
        lambda: DeepMarkov(3, 4, 2, 5),
        sequences,
        {f"z_{t}": local_normal(2) for t in range(3)},
        ("x",),
        "data",
        15,
        (5,),
    ),
    "local_level": ModelCase(
        lambda: LocalLevel(5), reals, {"level": local_normal(5)}, ("x",), "data", 5, ()
    ),
}
