"""Two half circles that reach into each other, with noise, in the plane; simulated.

    t ~ Uniform(0, pi),   x ~ N( m_k(t), s^2 I ),   k = 1 or 2, each with probability 1/2,
    m_1(t) = (cos t, sin t),   m_2(t) = (1 - cos t, 1/2 - sin t),   s = 0.1.

x (rows, 2): 10000 rows in train, 1000 in valid and 4000 in test.
Source: as `make_moons` of scikit-learn makes them; a usual first test of flows.
"""

import math

import numpy as np
import torch
from torch import Tensor

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (10_000, 1_000, 4_000)
NOISE = 0.1
NODES = 96  # of the quadrature over t: a moon is about 30 standard deviations long


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw each row's moon, its place along the moon, and its noise.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 2), float64.
    """
    u = torch.rand(2, rows, generator=generator, dtype=torch.float64)
    first, second = _middles(math.pi * u[0])
    middle = torch.where((u[1] < 0.5)[:, None], first, second)
    return (middle + NOISE * normals(generator, rows, 2),)


def log_density(x: Tensor) -> Tensor:
    """Log density of points, nats, by Gauss-Legendre quadrature over t: (rows, 2) -> (rows,)."""
    nodes, weights = (
        torch.as_tensor(part).to(x) for part in np.polynomial.legendre.leggauss(NODES)
    )
    middles = torch.cat(_middles(math.pi * (nodes + 1) / 2))
    log_weights = (weights / 4).log().repeat(2)
    squares = (x[:, None] - middles).square().sum(-1) / NOISE**2
    normal = -squares / 2 - math.log(2 * math.pi * NOISE**2)
    return (log_weights + normal).logsumexp(-1)


def _middles(t: Tensor) -> tuple[Tensor, Tensor]:
    """Points of both moons without noise, (n, 2) each."""
    along, up = t.cos(), t.sin()
    return torch.stack([along, up], -1), torch.stack([1 - along, 0.5 - up], -1)


load = SimulatedRows("two_moons", simulate, SIZES, labels=("x",))
