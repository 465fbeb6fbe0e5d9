"""Rows that follow a direction in space: points of a sphere through a random network; simulated.

    u ~ Uniform(S^2),   x = W tanh(A u) + s e,   e ~ N(0, I_30),   s = 0.1,

with A (50, 3) of N(0, 1) and W (30, 50) of N(0, 1/50), drawn anew for each seed. The directions u
are hidden; `planted` returns them.

x (rows, 30): 1000 rows in train, 200 in valid and 500 in test.
Source: the formula above.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals
from zoo.data.stream import stream

SIZES = (1_000, 200, 500)
NAME = "planted_directions"
FEATURES, HIDDEN, NOISE = 30, 50, 0.1


class Planted(NamedTuple):
    """Rows and the directions that they follow.

    Attributes:
        x: shape (rows, 30).
        directions: unit vectors, shape (rows, 3).
    """

    x: Tensor
    directions: Tensor


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw the network, each row's direction, and its noise.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 30), float64.
    """
    return (_planted(rows, generator).x,)


def planted(seed: int = 0) -> Planted:
    """All rows of the data set of that seed, train first, with their directions; float64."""
    return _planted(sum(SIZES), stream(seed, NAME))


def _planted(rows: int, generator: torch.Generator) -> Planted:
    inner = normals(generator, HIDDEN, 3)
    outer = normals(generator, FEATURES, HIDDEN) / HIDDEN**0.5
    u = torch.nn.functional.normalize(normals(generator, rows, 3), dim=-1)
    x = (u @ inner.T).tanh() @ outer.T + NOISE * normals(generator, rows, FEATURES)
    return Planted(x, u)


load = SimulatedRows(NAME, simulate, SIZES, labels=("x",))
