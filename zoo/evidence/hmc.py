"""Hamiltonian Monte Carlo for all chains and rows at once, on a path between two densities.

    log f_beta(u) = (1 - beta) log base(u) + beta log target(u)

Source: Neal 2011, "MCMC using Hamiltonian dynamics", section 3.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.evidence.annealing_path import Point, Slopes

TARGET_ACCEPTANCE = 0.7  # between 0.65, best in many dimensions, and 0.8, usual in few


class Stride(NamedTuple):
    """The length of a move.

    Attributes:
        step: size of a leapfrog step, shape (rows,) or (chains, rows).
        scale: standard deviation of each coordinate, shape (rows, size); or L, where L L' is the
            covariance, shape (rows, size, size).
        leapfrogs: steps in a move.
    """

    step: Tensor
    scale: Tensor
    leapfrogs: int

    def stretched(self, v: Tensor) -> Tensor:
        """L v for every chain and row, (chains, rows, size)."""
        if self.scale.dim() == 2:
            return self.scale * v
        return torch.einsum("rij,crj->cri", self.scale, v)

    def pulled(self, v: Tensor) -> Tensor:
        """L' v for every chain and row, (chains, rows, size)."""
        if self.scale.dim() == 2:
            return self.scale * v
        return torch.einsum("rji,crj->cri", self.scale, v)


def move(slopes: Slopes, start: Point, beta: Tensor, stride: Stride) -> tuple[Point, Tensor]:
    """One HMC move, accepted or rejected for each chain and row; leaves f_beta invariant.

    The step size is drawn anew for each chain, within 20 % of `stride.step`, so that the leapfrog
    orbit does not keep returning to its start.

    Args:
        slopes: the log densities along the path and their gradient.
        start: where the chains are.
        beta: inverse temperature, broadcastable to (chains, rows).
        stride: the length of the move.

    Returns:
        The new point, and the acceptance probability, (chains, rows).
    """
    step = (stride.step * (0.8 + 0.4 * torch.rand_like(start.base))).unsqueeze(-1)
    momentum = torch.randn_like(start.u)
    before = start.tempered(beta) - momentum.square().sum(-1) / 2
    here, gradient = slopes(start.u, beta)
    for _ in range(stride.leapfrogs):
        momentum = momentum + step / 2 * stride.pulled(gradient)
        here, gradient = slopes(here.u + step * stride.stretched(momentum), beta)
        momentum = momentum + step / 2 * stride.pulled(gradient)
    after = here.tempered(beta) - momentum.square().sum(-1) / 2
    chance = (after - before).exp().clamp(max=1).nan_to_num(nan=0.0)
    return _choose(torch.rand_like(chance) < chance, here, start), chance


def adapt(step: Tensor, accepted: Tensor, rate: float = 1.0) -> Tensor:
    """A longer step where more moves are accepted than the target, else a shorter one."""
    return step * (rate * (accepted - TARGET_ACCEPTANCE)).exp()


def _choose(taken: Tensor, new: Point, old: Point) -> Point:
    return Point(
        torch.where(taken.unsqueeze(-1), new.u, old.u),
        torch.where(taken, new.base, old.base),
        torch.where(taken, new.target, old.target),
    )
