"""Sets a guide to a normal over the unconstrained latents: guides of the zoo and Pyro's own.

What can be set: families that are normals, of all covariances or of independent coordinates, where
the best member can be found directly; and flows that start near a normal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce

import torch
from pyro.infer.autoguide import AutoDiagonalNormal, AutoMultivariateNormal, AutoNormal
from torch import Tensor, nn
from torch.distributions import transform_to
from torch.distributions.constraints import Constraint

from zoo.latents import Family
from zoo.latents.family import class_of
from zoo.normals.normal import Normal

INDEPENDENT = (AutoNormal, AutoDiagonalNormal)


@dataclass(frozen=True)
class Place:
    """How a guide takes a normal.

    Attributes:
        put: sets the guide to a normal; independent coordinates take its mean and its sds.
        whole: is the guide that normal then, and nothing else? A flow only starts near it.
        correlated: can it hold any covariance? Else its coordinates are independent.
    """

    put: Callable[[Normal], None]
    whole: bool
    correlated: bool


def is_normal(guide: Callable) -> bool:
    """Is a guide, or its class or partial as passed to `zoo.fit`, a family of normals?"""
    kind = class_of(guide)
    if issubclass(kind, Family):
        return kind.normal
    return kind in (*INDEPENDENT, AutoMultivariateNormal)


def place_in(guide: Callable) -> Place | None:
    """How a built guide takes a normal; None for one that does not."""
    if isinstance(guide, Family):
        start_at = getattr(guide, "start_at", None)
        if start_at is None:
            return None
        put: Callable[[Normal], None] = lambda q: start_at(q.mean, q.factor)  # noqa: E731
        return Place(put, guide.normal, not guide.independent)
    if type(guide) is AutoNormal:
        return Place(partial(_put_site_by_site, guide), whole=True, correlated=False)
    if type(guide) is AutoDiagonalNormal:
        return Place(partial(_put_diagonal, guide), whole=True, correlated=False)
    if type(guide) is AutoMultivariateNormal:
        return Place(partial(_put_full, guide), whole=True, correlated=True)
    return None


def _put_site_by_site(guide: AutoNormal, normal: Normal) -> None:
    at = 0
    for name in guide.prototype_trace.stochastic_nodes:
        if not _has(guide.locs, name):
            continue  # an index of a plate
        holder, last = _holder(guide.locs, name)
        part = slice(at, at + getattr(holder, last).numel())
        _set(guide.locs, name, normal.mean[part])
        _set(guide.scales, name, normal.sd[part])
        at = part.stop


def _put_diagonal(guide: AutoDiagonalNormal, normal: Normal) -> None:
    _set(guide, "loc", normal.mean)
    _set(guide, "scale", normal.sd)


def _put_full(guide: AutoMultivariateNormal, normal: Normal) -> None:
    scale = normal.factor.diagonal()
    _set(guide, "loc", normal.mean)
    _set(guide, "scale", scale)
    _set(guide, "scale_tril", normal.factor / scale[:, None])


def _holder(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that holds a parameter of a dotted name, and the last part of the name."""
    *path, last = name.split(".")
    return reduce(getattr, path, module), last


def _has(module: nn.Module, name: str) -> bool:
    try:
        holder, last = _holder(module, name)
    except AttributeError:
        return False
    return hasattr(holder, last)


@torch.no_grad()
def _set(module: nn.Module, name: str, value: Tensor) -> None:
    """Sets a parameter of a Pyro module, through its constraint where it has one."""
    holder, last = _holder(module, name)
    constraints: dict[str, tuple[Constraint, object]] = getattr(holder, "_pyro_params", {})
    own: nn.Parameter = getattr(holder, last)
    if last in constraints:
        constraint = constraints[last][0]
        value = transform_to(constraint).inv(value)
        own = getattr(holder, last + "_unconstrained")
    own.copy_(value.reshape(own.shape))
