"""Radon in the houses of 85 counties; simulated, of the shape of the Minnesota survey.

x (rows, 3), columns county (0 to 84), floor (1 for the first floor, 0 for the basement) and the
county's log uranium; y (rows,), log radon: 735 houses in train, 92 in valid and 92 in test.
Source: the generative process of the model radon, with constants near those that Gelman and Hill
(2007), chapter 12, print for Minnesota; the survey's own numbers are not in the zoo.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (735, 92, 92)
COUNTIES = 85
LEVEL, URANIUM, FLOOR = 1.46, 0.72, -0.67
LEVEL_SPREAD, FLOOR_SPREAD, NOISE = 0.16, 0.3, 0.75
ON_FIRST_FLOOR = 1 / 6
URANIUM_SPREAD = 0.4


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw counties, then their houses; some counties have many, some one or none.

    Args:
        rows: Number of houses.
        generator: What to draw from.

    Returns:
        x of shape (rows, 3) and y of shape (rows,), float64.
    """
    sizes = normals(generator, COUNTIES).exp()
    uranium = URANIUM_SPREAD * normals(generator, COUNTIES)
    level = LEVEL + URANIUM * uranium + LEVEL_SPREAD * normals(generator, COUNTIES)
    slope = FLOOR + FLOOR_SPREAD * normals(generator, COUNTIES)
    county = torch.multinomial(sizes, rows, replacement=True, generator=generator)
    floor = torch.rand(rows, generator=generator, dtype=torch.float64) < ON_FIRST_FLOOR
    x = torch.stack([county.double(), floor.double(), uranium[county]], -1)
    y = level[county] + slope[county] * x[:, 1] + NOISE * normals(generator, rows)
    return x, y


load = SimulatedRows("radon", simulate, SIZES, labels=("x", "y"))
