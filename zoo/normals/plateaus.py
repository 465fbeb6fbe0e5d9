"""Does a log density fall in every direction, and has it a highest point?

L-BFGS climbs from the normal's mean. If it rises far above what a normal's mean could leave, there
is no mode where the mass is. Else the curvature at its end has an eigenvalue lambda in each
direction v. A normal falls by 12.5 nats on 5 / sqrt(lambda), both ways. A direction is flat if the
log density falls by less than half a nat on one of the two, where all other coordinates have moved
to the highest point.
"""

import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal
from zoo.normals.shape import (
    Difficulty,
    Top,
    climb,
    conditional_sd,
    listed,
    negative_hessians,
    owners,
    values_at,
)

WEAK = 0.05  # curvatures below this share of the normal's own are looked at
FEWEST = 1e-6  # a curvature below this counts as this
WIDEST = 1e6  # an sd above this belongs to a fit that ran off
RESTARTS = 3  # of L-BFGS, where it stopped on its way
FAR = 5.0  # sds to walk
FALL = 0.5  # nats: a fall of less is none
MOST_DIRECTIONS = 3
MOST_COORDINATES = 100
SHARE = 0.1  # of a direction's square: a latent with less is not named
ABOVE = 20.0  # nats above the normal's mean, and half a nat for each coordinate


def plateaus(density: LogDensity, normal: Normal) -> Difficulty | None:
    """Says that a posterior has no mode or is flat in a direction; None if neither.

    Costs about 2 d + 50 evaluations, and 100 more for each direction of little curvature.

    Args:
        density: the log density.
        normal: where to begin, and the unit of each coordinate.
    """
    scale = conditional_sd(normal)
    endless = (scale > WIDEST) | ~scale.isfinite() | (normal.mean.abs() > WIDEST * 100)
    if bool(endless.any()):
        return _flat(density, [axis for axis in torch.eye(density.size)[endless].double()])
    top = climb(density, normal.mean, scale)
    for _ in range(RESTARTS):
        if not top.arrived:
            top = climb(density, top.point, scale)
    at_mean = float(values_at(density, normal.mean[None])[0])
    if top.value > at_mean + ABOVE + density.size / 2:
        return _no_mode(density, normal, top)
    if density.size > MOST_COORDINATES:
        return None
    hessian = negative_hessians(density, top.point[None], scale)[0]
    if not bool(hessian.isfinite().all()):
        return None
    levels, axes = torch.linalg.eigh(hessian)
    weak = [i for i in range(density.size) if float(levels[i]) < WEAK][:MOST_DIRECTIONS]
    flat = [axes[:, i] for i in weak if _is_flat(density, top, scale, levels[i], axes[:, i])]
    return _flat(density, flat) if flat else None


def _is_flat(density: LogDensity, top: Top, scale: Tensor, level: Tensor, axis: Tensor) -> bool:
    """Does the log density fall by less than a normal's on one side, or rise?"""
    far = FAR / float(level.clamp(min=FEWEST)) ** 0.5
    ends = top.point + far * torch.stack([axis, -axis]) * scale
    direct = values_at(density, ends)
    for end, value in zip(ends, direct, strict=True):
        if float(value) > top.value - FALL:
            return True
        if not bool(value.isfinite()):
            continue
        if climb(density, end, scale, across=axis).value > top.value - FALL:
            return True
    return False


def _flat(density: LogDensity, directions: list[Tensor]) -> Difficulty:
    names, share = owners(density), sum(axis.square() for axis in directions)
    assert isinstance(share, Tensor)
    shares: dict[str, float] = {}
    for name, part in zip(names, share.tolist(), strict=True):
        shares[name] = shares.get(name, 0.0) + part
    named = [name for name, part in shares.items() if part > SHARE]
    how = "along one direction" if len(directions) == 1 else "along several directions"
    together = "a combination of the numbers of " if names.count(named[0]) > 1 else ""
    together = "a combination of " if len(named) > 1 else together
    return Difficulty(
        "flat",
        f"The posterior is flat {how}, {together}{listed(named)}: data and prior say nothing "
        "about it, and no normal is wide enough. Give it a proper prior of the scale that you "
        "expect, or fix one of the numbers.",
    )


def _no_mode(density: LogDensity, normal: Normal, top: Top) -> Difficulty:
    moved = ((top.point - normal.mean) / normal.sd).abs()
    names = owners(density)
    farthest = float(moved.max())
    named = list(
        dict.fromkeys(n for n, m in zip(names, moved.tolist(), strict=True) if m > farthest / 3)
    )
    rise = top.value - float(values_at(density, normal.mean[None])[0])
    return Difficulty(
        "no mode",
        f"The density has a peak far from the normal: L-BFGS from its mean rose by {rise:.0f} "
        f"nats, and {listed(named)} moved by {farthest:.0f} sds. Such a peak, often a scale that "
        "goes to 0, holds little of the mass. Do not start from a mode; write the latents that "
        "the scale belongs to as scale * z with z from Normal(0, 1) (LocScaleReparam(0) in Pyro), "
        "or give the scale a prior that keeps it from 0.",
    )
