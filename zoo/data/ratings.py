"""Ratings of 40 items by 60 users, of which a third were given; simulated.

x (rows, 2), columns user (0 to 59) and item (0 to 39), no pair twice; y (rows,), ratings around 3:
600 in train, 60 in valid and 140 in test.
Source: the generative process of matrix factorisation, with the constants of this file.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (600, 60, 140)
USERS, ITEMS, FACTORS = 60, 40, 2
MEAN, SPREAD, NOISE = 3.0, 0.8, 0.4


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw what users like and what items have, then who rates what, and how.

    Args:
        rows: Number of ratings.
        generator: What to draw from.

    Returns:
        x of shape (rows, 2) and y of shape (rows,), float64.
    """
    user = normals(generator, USERS, FACTORS)
    item = SPREAD * normals(generator, ITEMS, FACTORS)
    cell = torch.randperm(USERS * ITEMS, generator=generator)[:rows]
    who, what = cell // ITEMS, cell % ITEMS
    y = MEAN + (user[who] * item[what]).sum(-1) + NOISE * normals(generator, rows)
    return torch.stack([who, what], -1).double(), y


load = SimulatedRows("ratings", simulate, SIZES, labels=("x", "y"))
