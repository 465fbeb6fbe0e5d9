"""Five arms of a pinwheel in the plane; simulated.

    y ~ N( (1, 0), diag(0.3, 0.1)^2 ),   x = y turned by 2 pi k / 5 + exp(|y|) / 4,   k = 0..4,

each k with probability 1/5. A turn by an angle that depends on the distance from the centre alone
changes no area, so that the density is known: that of y, over the five turns back.

x (rows, 2): 10000 rows in train, 1000 in valid and 4000 in test.
Source: Johnson, Duvenaud, Wiltschko, Datta and Adams (2016), Composing graphical models with
neural networks for structured representations and fast inference, NeurIPS.
Departs from the paper: the angle depends on |y| in the place of y's first number.
"""

import math

import torch
from torch import Tensor

from zoo.data.data import Batch
from zoo.data.simulated import SimulatedRows, normals

SIZES = (10_000, 1_000, 4_000)
ARMS, RATE = 5, 0.25
MEAN, SCALE = (1.0, 0.0), (0.3, 0.1)


def simulate(rows: int, generator: torch.Generator) -> Batch:
    """Draw each row's arm and its place in the arm.

    Args:
        rows: Number of rows.
        generator: What to draw from.

    Returns:
        x of shape (rows, 2), float64.
    """
    arm = torch.randint(ARMS, (rows,), generator=generator)
    mean, scale = (torch.tensor(part, dtype=torch.float64) for part in (MEAN, SCALE))
    y = mean + scale * normals(generator, rows, 2)
    return (_turned(y, _angle(y, arm)),)


def log_density(x: Tensor) -> Tensor:
    """Exact log density of points, nats: (rows, 2) -> (rows,)."""
    x = x[:, None]
    y = _turned(x, -_angle(x, torch.arange(ARMS, device=x.device)))
    mean, scale = x.new_tensor(MEAN), x.new_tensor(SCALE)
    normal = -((y - mean) / scale).square().sum(-1) / 2 - scale.log().sum() - math.log(2 * math.pi)
    return normal.logsumexp(-1) - math.log(ARMS)


def _angle(y: Tensor, arm: Tensor) -> Tensor:
    """By how much a point of an arm is turned, in radians."""
    return 2 * math.pi * arm / ARMS + RATE * y.norm(dim=-1).exp()


def _turned(y: Tensor, angle: Tensor) -> Tensor:
    """Points (..., 2) turned by angles (...)."""
    cos, sin = angle.cos(), angle.sin()
    first, second = y.unbind(-1)
    return torch.stack([cos * first - sin * second, sin * first + cos * second], -1)


load = SimulatedRows("pinwheel", simulate, SIZES, labels=("x",))
