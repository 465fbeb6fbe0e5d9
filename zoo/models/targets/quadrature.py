"""Integrals on a line and draws from it, for targets whose constant is an integral."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

STEPS = 2000  # of the staircase from which a line is drawn


def legendre(count: int, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes on an interval and their weights, (count,) each.

    Args:
        count: number of nodes.
        low: lower end, shape ().
        high: upper end, shape ().
    """
    nodes, weights = (
        torch.from_numpy(part).to(low) for part in np.polynomial.legendre.leggauss(count)
    )
    half = (high - low) / 2
    return low + half * (nodes + 1), half * weights


def draw_on_line(
    count: int,
    log_density: Callable[[Tensor], Tensor],
    low: Tensor,
    high: Tensor,
    curvature: Tensor,
) -> Tensor:
    """Independent draws of a density on an interval, by rejection from a staircase above it.

    On a step of width h the log density is at most the larger of its ends + h^2 curvature / 8.

    Args:
        count: number of draws.
        log_density: points (n,) -> nats, (n,), up to a constant.
        low: lower end, shape ().
        high: upper end, shape ().
        curvature: a bound on the second derivative of the log density, in absolute value.

    Returns:
        Draws, shape (count,).
    """
    edges = torch.linspace(0, 1, STEPS + 1).to(low) * (high - low) + low
    h = edges[1] - edges[0]
    ends = log_density(edges)
    top = torch.maximum(ends[:-1], ends[1:]) + h**2 * curvature / 8
    heights = top.softmax(0)
    kept = [edges.new_empty(0)]
    while sum(map(len, kept)) < count:
        step = heights.multinomial(count, replacement=True)
        x = edges[step] + h * torch.rand(count).to(h)
        accept = (log_density(x) - top[step]).exp()
        kept.append(x[torch.rand(count).to(h) < accept])
    return torch.cat(kept)[:count]
