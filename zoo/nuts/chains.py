"""The state of all chains of a no-U-turn sampler between two leapfrog steps."""

from typing import NamedTuple

import torch
from torch import Tensor


class StepSizes(NamedTuple):
    """The step sizes and their adaptation by dual averaging, each (chains,).

    Attributes:
        log_step: log of the step size in use.
        log_mean: log of the step size averaged over the adaptation.
        shortfall: mean shortfall of the acceptance from its target.
        updates: number of updates so far.
        centre: the log step size towards which it is shrunk.
    """

    log_step: Tensor
    log_mean: Tensor
    shortfall: Tensor
    updates: Tensor
    centre: Tensor


class Chains(NamedTuple):
    """Where the chains are: each grows a trajectory by one leapfrog step at a time.

    Positions q are whitened by the metric, so that momenta are standard normal. A trajectory is
    doubled again and again: the new half, a subtree of as many leaves, is built leaf by leaf.

    Attributes:
        q, p, slope: position, momentum and gradient at the moving end, (chains, d).
        left_q, left_p, left_slope: the same at the left end of the trajectory, (chains, d).
        right_q, right_p, right_slope: the same at its right end, (chains, d).
        draw, draw_slope: the draw from the trajectory so far, and its gradient, (chains, d).
        new, new_slope: the same of the subtree, (chains, d).
        total, new_total: sums of the momenta of the trajectory and of the subtree, (chains, d).
        starts: momentum at the first leaf of each smaller subtree that is still open; (levels,
            chains, d), of which the first is the whole subtree.
        before: sum of the momenta of the leaves before that leaf, (levels, chains, d).
        previous: momentum of the one leaf before it, (levels, chains, d).
        energy: at the start of the trajectory, nats, (chains,).
        draw_value, new_value: log density of the two draws, nats, (chains,).
        weight, new_weight: log of the summed weights of trajectory and subtree, (chains,).
        size: number of leaves of the subtree when it is whole, (chains,).
        leaf: number of leaves of the subtree so far, (chains,).
        direction: 1 or -1, in which the trajectory grows, (chains,).
        acceptance: sum of the acceptance probabilities of all leaves, (chains,).
        leaves: of the trajectory so far without its start, (chains,).
        done: draws that are finished in this block, (chains,).
        sizes: the step sizes.
    """

    q: Tensor
    p: Tensor
    slope: Tensor
    left_q: Tensor
    left_p: Tensor
    left_slope: Tensor
    right_q: Tensor
    right_p: Tensor
    right_slope: Tensor
    draw: Tensor
    draw_slope: Tensor
    new: Tensor
    new_slope: Tensor
    total: Tensor
    new_total: Tensor
    starts: Tensor
    before: Tensor
    previous: Tensor
    energy: Tensor
    draw_value: Tensor
    new_value: Tensor
    weight: Tensor
    new_weight: Tensor
    size: Tensor
    leaf: Tensor
    direction: Tensor
    acceptance: Tensor
    leaves: Tensor
    done: Tensor
    sizes: StepSizes


class Point(NamedTuple):
    """A point of each chain: q (chains, d), its log density (chains,) and gradient (chains, d)."""

    q: Tensor
    value: Tensor
    slope: Tensor


def begin(at: Point, momentum: Tensor, direction: Tensor, levels: int, sizes: StepSizes) -> Chains:
    """Chains at the start of a trajectory.

    Args:
        at: where they start.
        momentum: standard normal, (chains, d).
        direction: 1 or -1, (chains,).
        levels: of subtrees that are checked for U-turns.
        sizes: the step sizes.
    """
    open_subtrees = at.q.new_zeros(levels, *at.q.shape)
    zero = torch.zeros_like(at.value)
    ends = (at.q, momentum, at.slope)
    return Chains(
        *ends,
        *ends,
        *ends,
        draw=at.q,
        draw_slope=at.slope,
        new=at.q,
        new_slope=at.slope,
        total=momentum,
        new_total=torch.zeros_like(momentum),
        starts=open_subtrees,
        before=open_subtrees,
        previous=open_subtrees,
        energy=momentum.square().sum(-1) / 2 - at.value,
        draw_value=at.value,
        new_value=at.value,
        weight=zero,
        new_weight=zero,
        size=zero + 1,
        leaf=zero,
        direction=direction,
        acceptance=zero,
        leaves=zero,
        done=zero,
        sizes=sizes,
    )
