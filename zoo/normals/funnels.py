"""Do the widths of some latents change with another one, as in Neal's funnel?

One latent is moved through its posterior, and the others follow to where the density is highest.
At each place t, the curvature of the others, R(t), gives Laplace's estimate of the latent's
marginal, and the sd that each other has there while the rest are held:

    log p(t) = max log p(t, others) - 1/2 log det R(t) + const,    sd_i(t)^2 = 1 / R_ii(t).

A normal has the same sds everywhere. A funnel is named if they differ by more than a factor of
4 between the quantiles of t that are 3 sds apart in a normal. Linear regression on 20 rows with
an unknown noise scale has a factor of 1.6, and Neal's funnel one of 90.

Source: Rue, Martino & Chopin 2009, "Approximate Bayesian inference for latent Gaussian models by
using integrated nested Laplace approximations"; Neal 2003, "Slice sampling", section 8; Betancourt
& Girolami 2015, "Hamiltonian Monte Carlo for hierarchical models".
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal
from zoo.normals.shape import (
    Difficulty,
    columns_of,
    conditional_sd,
    listed,
    negative_hessians,
    slopes_at,
    values_at,
)

RATIO = 4.0  # of sds
FACTORS = 0.4  # change of a log curvature on 2 sds, below which a latent is not looked at further
PLACES = (0.0, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0, 12.0, 16.0)  # sds of the normal, both ways
NEWTON = 4  # steps of Newton at each place
SETTLED = 0.02  # nats that a step can still gain
FALLEN = 5.0  # nats below the highest: beyond it is no mass
MOST_COORDINATES = 60
TAIL = -1.5  # sds of a normal: the low quantile, and the high one on the other side


@dataclass(frozen=True)
class Funnel:
    """How the sds of the others change as one latent moves.

    Attributes:
        name: the latent that moves.
        factors: latent -> the median over its numbers of sd at the high quantile / at the low one.
    """

    name: str
    factors: dict[str, float]

    @property
    def widest(self) -> float:
        """The factor farthest from 1, as a number of at least 1."""
        return max((max(f, 1 / f) for f in self.factors.values()), default=1.0)


def funnel(density: LogDensity, normal: Normal) -> Difficulty | None:
    """Names a latent that changes the widths of others by more than a factor of 4; None if none.

    Costs 4 d evaluations for each latent, and about 100 d more for each that passes a first look.

    Args:
        density: the log density.
        normal: where to begin, and the unit of each coordinate.
    """
    seen = [one for one in funnels(density, normal) if one.widest > RATIO]
    if not seen:
        return None
    most = max(seen, key=lambda one: one.widest)
    wide = [n for n, factor in most.factors.items() if max(factor, 1 / factor) > RATIO]
    order = list(most.factors)
    later = order[order.index(most.name) :] if most.name in order else order
    scaled = [name for name in wide if name in later] or wide  # drawn later, so it may depend
    return Difficulty(
        "funnel",
        f"The posterior is a funnel: the width of {listed(scaled)} changes by a factor of "
        f"{most.widest:.2g} as '{most.name}' moves through its posterior, and a normal has one "
        f"width. Write {listed(scaled)} as location + scale * z with z from Normal(0, 1); Pyro "
        f"does this by poutine.reparam(model, {{'{scaled[0]}': LocScaleReparam(0)}}). Or use "
        "guides.IAF.",
    )


def funnels(density: LogDensity, normal: Normal) -> list[Funnel]:
    """How the widths of the others change with each latent that passes a first look."""
    groups, size = columns_of(density), density.size
    if size < 2 or size > MOST_COORDINATES:
        return []
    moved = {name: columns for name, columns in groups.items() if len(columns) < size}
    if not moved:
        (name,) = groups
        moved = {f"{name}[{i}]": torch.tensor([i]) for i in range(size)}
    scale, found = conditional_sd(normal), []
    for name, columns in moved.items():
        others = torch.tensor([i for i in range(size) if i not in columns.tolist()])
        if not _passes(density, normal.mean, scale, columns, others):
            continue
        factors = _factors(density, normal, scale, columns, others)
        if factors is None:
            continue
        share = dict.fromkeys(groups, 1.0)
        for site, own in groups.items():
            mine = [float(factors[i]) for i, j in enumerate(others.tolist()) if j in own.tolist()]
            share[site] = float(np.exp(np.median(np.log(mine)))) if mine else 1.0
        found.append(Funnel(name, share))
    return found


def _passes(density: LogDensity, mean: Tensor, scale: Tensor, own: Tensor, others: Tensor) -> bool:
    """Does any curvature change as the latent moves by one sd each way?"""
    step = torch.zeros_like(mean)
    step[own] = scale[own]
    hessians = negative_hessians(density, torch.stack([mean + step, mean - step]), scale)
    diagonal = hessians.diagonal(dim1=-2, dim2=-1)[:, others]
    if not bool((diagonal > 0).all()):
        return True
    return bool(((diagonal[0] / diagonal[1]).log().abs() > FACTORS).any())


def _factors(
    density: LogDensity, normal: Normal, scale: Tensor, own: Tensor, others: Tensor
) -> Tensor | None:
    """For each other coordinate, its sd at the high quantile over that at the low one."""
    from scipy.interpolate import PchipInterpolator
    from scipy.special import ndtr

    places: dict[float, tuple[float, Tensor]] = {}
    for sign in (1.0, -1.0):
        point = normal.mean.clone()
        for place in PLACES:
            point = point.clone()
            point[own] = normal.mean[own] + sign * place * normal.sd[own]
            seen = _settle(density, point, scale, others)
            if seen is None:
                break
            point, level, log_sd = seen
            places[sign * place] = level, log_sd
            if level < max(value for value, _ in places.values()) - FALLEN:
                break
    if len(places) < 4:
        return None
    at = np.array(sorted(places))
    fine = np.linspace(at[0], at[-1], 400)
    log_p = PchipInterpolator(at, [places[t][0] for t in at])(fine)
    mass = np.cumsum(np.exp(log_p - log_p.max()))
    low, high = np.interp([ndtr(TAIL), 1 - ndtr(TAIL)], mass / mass[-1], fine)
    log_sd = PchipInterpolator(at, np.stack([places[t][1].numpy() for t in at]))
    return torch.from_numpy(np.exp(log_sd(high) - log_sd(low)))


def _settle(
    density: LogDensity, point: Tensor, scale: Tensor, others: Tensor
) -> tuple[Tensor, float, Tensor] | None:
    """Newton's method in the others; then Laplace's log marginal and the log sds of the others."""
    lengths = torch.tensor([1.0, 0.5, 0.2, 0.05, 0.0], dtype=torch.float64)[:, None]
    for _ in range(NEWTON):
        hessian = negative_hessians(density, point[None], scale)[0][others][:, others]
        value, slope = slopes_at(density, point[None])
        if not bool(hessian.isfinite().all()) or not bool(value.isfinite().all()):
            return None
        level, axes = torch.linalg.eigh(hessian)
        own = slope[0, others] * scale[others]
        step = torch.zeros_like(point)
        step[others] = scale[others] * (axes @ ((axes.mT @ own) / level.abs().clamp(min=1e-6)))
        if bool((level > 0).all()) and float(own @ (step[others] / scale[others])) < SETTLED:
            break
        tried = point + lengths * step
        point = tried[int(values_at(density, tried).argmax())]
    else:
        return None
    log_sd = scale[others].log() - 0.5 * hessian.diagonal().log()
    return point, float(value[0]) - 0.5 * float(level.log().sum()), log_sd
