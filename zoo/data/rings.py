"""Three rings around one centre in the plane; simulated.

    r ~ N(R_k, s^2),   angle ~ Uniform(0, 2 pi),   R = (1, 2, 3),   s = 0.15,

each ring with probability 1/3.

x (rows, 2): 10000 rows in train, 1000 in valid and 4000 in test.
Source: the formula above; rings are a usual test of flows.
"""

import math

import torch
from torch import Tensor

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (10_000, 1_000, 4_000)
RADII = (1.0, 2.0, 3.0)
WIDTH = 0.15


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw each row's ring, its distance from the centre, and its angle.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 2), float64.
    """
    ring = torch.randint(len(RADII), (rows,), generator=generator)
    middle = torch.tensor(RADII, dtype=torch.float64)[ring]
    radius = middle + WIDTH * normals(generator, rows)
    angle = 2 * math.pi * torch.rand(rows, generator=generator, dtype=torch.float64)
    return (radius[:, None] * torch.stack([angle.cos(), angle.sin()], -1),)


def log_density(x: Tensor) -> Tensor:
    """Exact log density of points, nats: (rows, 2) -> (rows,).

    The density of the distance |r| is spread over a circle of that radius.
    """
    distance = x.norm(dim=-1)
    signed = torch.stack([distance, -distance], -1)[..., None]
    squares = ((signed - x.new_tensor(RADII)) / WIDTH).square()
    normal = (-squares / 2).flatten(1).logsumexp(-1) - math.log(WIDTH * (2 * math.pi) ** 0.5)
    return normal - math.log(len(RADII)) - math.log(2 * math.pi) - distance.log()


load = SimulatedRows("rings", simulate, SIZES, labels=("x",))
