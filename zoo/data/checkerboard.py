"""The black squares of a board of four by four, each of side 1, in the plane; simulated.

    x ~ Uniform over the eight squares [i, i + 1) x [j, j + 1) with i + j even, i, j = -2..1.

The density is 1/8 there and 0 elsewhere, so that its entropy is log 8 = 2.079 nats.

x (rows, 2): 10000 rows in train, 1000 in valid and 4000 in test.
Source: the formula above; a board is a usual test of flows, whose densities are continuous.
"""

import math

import torch
from torch import Tensor

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows

SIZES = (10_000, 1_000, 4_000)
SIDE = 4
SQUARES = SIDE**2 // 2


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw each row's square and its place in it.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 2), float64.
    """
    column = torch.randint(SIDE, (rows,), generator=generator)
    row = 2 * torch.randint(SIDE // 2, (rows,), generator=generator) + column % 2
    corner = torch.stack([column, row], -1) - SIDE // 2
    return (corner + torch.rand(rows, 2, generator=generator, dtype=torch.float64),)


def log_density(x: Tensor) -> Tensor:
    """Exact log density of points, nats, minus infinity off the squares: (rows, 2) -> (rows,)."""
    square = x.floor()
    on = (square.sum(-1) % 2 == 0) & (square >= -SIDE // 2).all(-1) & (square < SIDE // 2).all(-1)
    return torch.where(on, -math.log(SQUARES), -math.inf).to(x)


load = SimulatedRows("checkerboard", simulate, SIZES, labels=("x",))
