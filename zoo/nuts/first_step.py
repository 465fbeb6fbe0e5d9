"""The step size from which the adaptation starts, found by doubling or halving."""

import math

import torch
from torch import Tensor

from zoo.nuts.chains import Point
from zoo.nuts.tree import Density, leapfrog

LEAST = math.log(0.8)  # log acceptance of one step on the two sides of which the search ends
TRIES = 50


def first_step(at: Point, density: Density, step: Tensor) -> Tensor:
    """Step sizes of each chain at which one step is accepted with probability of about 0.8.

    Source: Hoffman & Gelman 2014, algorithm 4 ("FindReasonableEpsilon"); the limit is Stan's.

    Args:
        at: where the chains are.
        density: q (chains, d) -> log density and gradient.
        step: step sizes to begin with, (chains,).
    """
    p = torch.randn_like(at.q)
    energy = p.square().sum(-1) / 2 - at.value

    def accepts(step: Tensor) -> Tensor:
        _, moved, _, value = leapfrog(at.q, p, at.slope, step[:, None], density)
        return energy - moved.square().sum(-1) / 2 + value > LEAST

    grows = accepts(step)
    factor, searching = torch.where(grows, 2.0, 0.5), torch.ones_like(grows)
    for _ in range(TRIES):
        if not searching.any():
            break
        step = torch.where(searching, step * factor, step)
        searching = searching & (accepts(step) == grows)
    return step
