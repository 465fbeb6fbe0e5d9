"""Clinics that measure the same thing a few times each; simulated.

x (rows, 4): 40 clinics in train, 10 in valid and 10 in test, 4 measurements each.
Source: the generative process of varying intercepts, with the constants of this file.
"""

import torch

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (40, 10, 10)
MEASUREMENTS = 4
MEAN, SPREAD, NOISE = 1.5, 0.8, 1.0


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw a level for each clinic, then what it measures.

    Args:
        rows: Number of clinics.
        generator: What to draw from.

    Returns:
        x of shape (rows, 4), float64.
    """
    level = MEAN + SPREAD * normals(generator, rows, 1)
    return (level + NOISE * normals(generator, rows, MEASUREMENTS),)


load = SimulatedRows("clinics", simulate, SIZES, labels=("x",))
