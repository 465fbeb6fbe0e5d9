"""One leapfrog step of every chain of a no-U-turn sampler, without recursion.

A trajectory grows by doubling, forwards or backwards at random. The new half is a subtree whose
leaves come one by one. A leaf of an odd number ends one or more smaller subtrees, and each of
them is checked for a U-turn: the momenta at its first leaf are kept for that, one for each level.
A chain that has finished its trajectory starts the next one, whatever the others do.

Source: Hoffman & Gelman 2014, "The no-U-turn sampler"; Betancourt 2017, "A conceptual introduction
to Hamiltonian Monte Carlo", appendix A (multinomial draws, generalised criterion); Phan, Pradhan &
Jankowiak 2019, "Composable effects for flexible and accelerated probabilistic programming in
NumPyro" (the iterative form). The two checks across the middle of a tree are Stan's.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from zoo.nuts.chains import Chains, StepSizes
from zoo.nuts.step_size import updated
from zoo.torch_private import tree_map

MOST_RISE = 1000.0  # of the energy, nats; a trajectory that rises further diverges
INFINITE_RISE = 1e10
State = TypeVar("State", Chains, StepSizes)
Density = Callable[[Tensor], tuple[Tensor, Tensor]]


class Draws(NamedTuple):
    """What a step finishes; of chains that finish nothing, the values mean nothing.

    Attributes:
        finished: has the chain finished a trajectory? (chains,), bool.
        place: the draw's number in its block, (chains,).
        q: the draw, (chains, d).
        facts: mean acceptance, leaves, and whether it diverged, (3, chains).
    """

    finished: Tensor
    place: Tensor
    q: Tensor
    facts: Tensor


class Randomness(NamedTuple):
    """Uniform numbers (3, chains) of a step, and momenta (block, chains, d) of a block's draws."""

    uniform: Tensor
    momenta: Tensor


class Settings(NamedTuple):
    """What the steps of a block have in common, each of shape ().

    Attributes:
        target: mean acceptance that the step sizes are adapted to.
        adapts: 1 while they are adapted, else 0.
        wanted: draws of each chain; not more than the block has momenta for.
    """

    target: Tensor
    adapts: Tensor
    wanted: Tensor


def leapfrog(
    q: Tensor, p: Tensor, slope: Tensor, step: Tensor, density: Density
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Position, momentum, gradient and log density after a step of size `step`, (chains, 1)."""
    half = p + step / 2 * slope
    q = q + step * half
    value, slope = density(q)
    return q, half + step / 2 * slope, slope, value


def take_step(
    chains: Chains,
    density: Density,
    random: Randomness,
    settings: Settings,
    most_depth: int,
) -> tuple[Chains, Draws]:
    """All chains after one leapfrog step; those that have finished the block stay as they are.

    Args:
        chains: before the step.
        density: q (chains, d) -> log density (chains,) and gradient (chains, d).
        random: what the step draws.
        settings: of the step sizes.
        most_depth: a trajectory has at most 2^most_depth leaves.
    """
    grown, diverging = _grow(chains, density, random.uniform[0])
    turning = (grown.leaf.remainder(2) == 0) & _turns_inside(grown)
    ended = (grown.leaf == chains.size) | turning | diverging
    valid = ended & ~turning & ~diverging
    joined, turned = _join(chains, grown, ended, valid, random.uniform[1])
    full = joined.size >= 2**most_depth
    active = chains.done < settings.wanted
    finished = active & ended & (~valid | turned | full)
    facts = [joined.acceptance / joined.leaves, joined.leaves, diverging.to(joined.leaves)]
    found = Draws(finished, chains.done, joined.draw, torch.stack(facts))
    after = _turn_round(joined, ended, random.uniform[2])
    after = _where(finished, _restarted(after, random, settings), after)
    return _where(active, after, chains), found


def _grow(chains: Chains, density: Density, uniform: Tensor) -> tuple[Chains, Tensor]:
    """The chains with one more leaf, and whether that diverges."""
    step = (chains.sizes.log_step.exp() * chains.direction)[:, None]
    q, p, slope, value = leapfrog(chains.q, chains.p, chains.slope, step, density)
    rise = _dot(p, p) / 2 - value - chains.energy
    rise = torch.where(rise < INFINITE_RISE, rise, INFINITE_RISE)  # NaN too
    first = chains.leaf == 0
    weight = torch.where(first, -rise, torch.logaddexp(chains.new_weight, -rise))
    taken = uniform.log() < -rise - weight
    total = torch.where(first[:, None], p, chains.new_total + p)
    starts, before, previous = _noted(chains, p, total)
    grown = chains._replace(
        q=q,
        p=p,
        slope=slope,
        new=torch.where(taken[:, None], q, chains.new),
        new_slope=torch.where(taken[:, None], slope, chains.new_slope),
        new_value=torch.where(taken, value, chains.new_value),
        new_weight=weight,
        new_total=total,
        starts=starts,
        before=before,
        previous=previous,
        leaf=chains.leaf + 1,
        leaves=chains.leaves + 1,
        acceptance=chains.acceptance + (-rise).clamp(max=0).exp(),
    )
    return grown, rise > MOST_RISE


def _noted(chains: Chains, p: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is kept of the first leaves of open subtrees; only a leaf of an even number is one."""
    places = torch.arange(len(chains.starts), device=p.device)[:, None]
    even = chains.leaf.remainder(2) == 0
    here = (even & (places == _level(chains.leaf, len(places))))[..., None]
    return (
        torch.where(here, p, chains.starts),
        torch.where(here, total - p, chains.before),
        torch.where(here, chains.p, chains.previous),
    )


def _level(leaf: Tensor, levels: int) -> Tensor:
    """The place of a leaf's innermost subtree: the number of ones in binary leaf // 2."""
    return (leaf / (2 * _powers(leaf, levels))).floor().remainder(2).sum(0)


def _turns_inside(grown: Chains) -> Tensor:
    """Does one of the smaller subtrees that end with the newest leaf turn round? (chains,), bool.

    The leaf is of an odd number n, counted from 0. It ends a subtree for each of the last ones in
    the binary form of n: those at places `low` to `high` of the kept first leaves.
    """
    last = grown.leaf - 1
    levels = len(grown.starts)
    high, ones = _level(last, levels), _trailing_ones(last, levels)
    places = torch.arange(levels, device=last.device)[:, None]
    ends_here = (places <= high) & (places > high - ones)
    halves = (places < high)[:-1] & ends_here[:-1]
    first, p = grown.starts, grown.p
    whole = grown.new_total - grown.before
    turns = ends_here & ~_goes_on(first, p, whole)
    left = grown.before[1:] - grown.before[:-1]
    right = grown.new_total - grown.before[1:]
    middle, next_one = grown.previous[1:], grown.starts[1:]
    over = _goes_on(first[:-1], next_one, left + next_one) & _goes_on(middle, p, right + middle)
    return turns.any(0) | (halves & ~over).any(0)


def _trailing_ones(n: Tensor, levels: int) -> Tensor:
    return ((n + 1).remainder(2 * _powers(n, levels)) == 0).to(n).sum(0)


def _powers(like: Tensor, levels: int) -> Tensor:
    """1, 2, 4, ..., (levels, 1)."""
    places = torch.arange(levels, device=like.device)
    return (torch.ones_like(places) << places)[:, None].to(like)


def _goes_on(one: Tensor, other: Tensor, total: Tensor) -> Tensor:
    """Do the two ends of a trajectory still move apart, given the sum of its momenta?"""
    return (_dot(one, total) > 0) & (_dot(other, total) > 0)


def _join(
    before: Chains, grown: Chains, ended: Tensor, valid: Tensor, uniform: Tensor
) -> tuple[Chains, Tensor]:
    """The trajectory with its new half where that is valid; and does the whole turn round?"""
    right = grown.direction > 0
    taken = valid & (uniform.log() < grown.new_weight - grown.weight)
    far = torch.where(right[:, None], before.left_p, before.right_p)
    near = torch.where(right[:, None], before.right_p, before.left_p)
    first = grown.starts[0]
    total = grown.total + grown.new_total
    goes_on = (
        _goes_on(far, grown.p, total)
        & _goes_on(far, first, grown.total + first)
        & _goes_on(near, grown.p, grown.new_total + near)
    )
    to_right, to_left = (ended & right)[:, None], (ended & ~right)[:, None]
    joined = grown._replace(
        draw=torch.where(taken[:, None], grown.new, grown.draw),
        draw_slope=torch.where(taken[:, None], grown.new_slope, grown.draw_slope),
        draw_value=torch.where(taken, grown.new_value, grown.draw_value),
        weight=torch.where(valid, torch.logaddexp(grown.weight, grown.new_weight), grown.weight),
        total=torch.where(valid[:, None], total, grown.total),
        size=torch.where(ended, 2 * grown.size, grown.size),
        leaf=torch.where(ended, 0.0, grown.leaf),
        right_q=torch.where(to_right, grown.q, grown.right_q),
        right_p=torch.where(to_right, grown.p, grown.right_p),
        right_slope=torch.where(to_right, grown.slope, grown.right_slope),
        left_q=torch.where(to_left, grown.q, grown.left_q),
        left_p=torch.where(to_left, grown.p, grown.left_p),
        left_slope=torch.where(to_left, grown.slope, grown.left_slope),
    )
    return joined, ~goes_on


def _turn_round(joined: Chains, ended: Tensor, uniform: Tensor) -> Chains:
    """The chains whose subtree has ended go on from an end of the trajectory drawn at random."""
    direction = torch.where(ended, _sign(uniform), joined.direction)
    right, moved = (direction > 0)[:, None], ended[:, None]
    ends = (
        (joined.right_q, joined.left_q, joined.q),
        (joined.right_p, joined.left_p, joined.p),
        (joined.right_slope, joined.left_slope, joined.slope),
    )
    q, p, slope = (torch.where(moved, torch.where(right, r, left), x) for r, left, x in ends)
    return joined._replace(q=q, p=p, slope=slope, direction=direction)


def _restarted(chains: Chains, random: Randomness, settings: Settings) -> Chains:
    """Chains that start a new trajectory from their draw, with another momentum."""
    own = chains.done.long().clamp(max=len(random.momenta) - 1)
    index = own[None, :, None].expand(1, *chains.q.shape)
    p = random.momenta.gather(0, index)[0]
    zero = torch.zeros_like(chains.weight)
    acceptance = chains.acceptance / chains.leaves
    adapted = updated(chains.sizes, acceptance, settings.target)
    sizes = _where(settings.adapts > 0, adapted, chains.sizes)
    q, slope = chains.draw, chains.draw_slope
    ends = dict.fromkeys(("q", "left_q", "right_q"), q)
    ends |= dict.fromkeys(("p", "left_p", "right_p", "total"), p)
    ends |= dict.fromkeys(("slope", "left_slope", "right_slope"), slope)
    zeros = dict.fromkeys(("weight", "leaf", "acceptance", "leaves"), zero)
    energy = _dot(p, p) / 2 - chains.draw_value
    numbers = {"energy": energy, "size": zero + 1, "done": chains.done + 1}
    return chains._replace(**ends, **zeros, **numbers, sizes=sizes)


def _where(which: Tensor, one: State, other: State) -> State:
    """The first where `which`, (chains,) or (), else the second."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        mask = which[:, None] if which.dim() and a.dim() > 1 else which
        return a if a is b else torch.where(mask, a, b)

    return tree_map(pick, one, other)


def _sign(uniform: Tensor) -> Tensor:
    return torch.where(uniform < 0.5, -1.0, 1.0).to(uniform)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(-1)
