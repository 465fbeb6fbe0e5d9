"""Measure-valued derivatives: the gradient of a density as a difference of two densities.

For one parameter t of the distribution of one coordinate z_i, dq/dt = c (q+ - q-), so that

    d/dt E_q[ f(z) ] = c ( E[ f(z_1, .., z_i+, .., z_n) ] - E[ f(z_1, .., z_i-, .., z_n) ] ),

the other coordinates drawn from q. Each pair shares its noise:

    parameter           c                       z+                      z-
    Normal mean m       1 / (s sqrt(2 pi))      m + s R                 m - s R
    Normal scale s      1 / s                   m + s M                 m + s M U
    Bernoulli logit l   p (1 - p)               1                       0
    Poisson rate r      1                       z + 1                   z

R ~ Weibull(sqrt 2, 2), M ~ double-sided Maxwell, U ~ uniform, so that M U ~ N(0, 1); z ~ q. f need
not be differentiable in z. The latents are to be independent in the guide; where it draws
z = T(u), the coordinates are those of u.

Cost: 2 evaluations of f for each parameter of each coordinate (of one row), and 1 for theta.
Source: Rosca, Figurnov, Mohamed & Mnih 2019, "Measure-valued derivatives for approximate Bayesian
inference"; Mohamed, Rosca, Figurnov & Mnih 2020, "Monte Carlo gradient estimation in machine
learning", section 6; Heidergott, Vazquez-Abad & Volk-Makarewicz 2008 for M U.
Topic: Score function.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from pyro.poutine.runtime import Message
from torch import Tensor, nn
from torch.distributions import (
    Bernoulli,
    Distribution,
    Normal,
    Poisson,
    TransformedDistribution,
)
from torch.distributions.transforms import Transform

from zoo.latents import Kind, Latents
from zoo.latents.forms import Form
from zoo.objectives.log_ratio import Values, at, guide_sites, marginals, spread
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.scored_again import constant
from zoo.objectives.scored_draws import estimate_mean
from zoo.traces import Pair, add_up

KINDS = (Normal, Bernoulli, Poisson)
FORMS = frozenset({Form.BINARY, Form.COUNT, Form.CONTINUOUS})


class Coordinates(NamedTuple):
    """The independent coordinates u of a site's z = T(u).

    Attributes:
        name: of the site.
        q: their distribution.
        base: the same, with its event dimensions.
        u: a draw, constant, shape (*plates, *event).
        push: T.
    """

    name: str
    q: Distribution
    base: Distribution
    u: Tensor
    push: Callable[[Tensor], Tensor]


class Split(NamedTuple):
    """dq/dt = c (q+ - q-) for one parameter t; all shaped as a draw of its coordinates.

    Attributes:
        of: the coordinates.
        t: the parameter.
        c: the constant.
        plus: a draw from q+ for each coordinate.
        minus: a draw from q- for each coordinate.
    """

    of: Coordinates
    t: Tensor
    c: Tensor
    plus: Tensor
    minus: Tensor


@dataclass(frozen=True)
class MeasureValued(Objective):
    """The ELBO of independent Normal, Bernoulli or Poisson latents, one coordinate at a time.

    Example:
        Being above 0 is worth 3 nats. Reparameterised gradients miss the jump. The difference of
        the two densities gives the exact gradient in the mean, 3 / sqrt(2 pi).

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import MeasureValued
        >>> def model():
        ...     z = pyro.sample("z", dist.Normal(0.0, 1.0))
        ...     pyro.factor("gain", 3.0 * (z > 0))
        >>> def guide():
        ...     pyro.sample("z", dist.Normal(pyro.param("loc", torch.tensor(0.0)), 1.0))
        >>> settings = {"objective": MeasureValued(), "steps": 1, "optimizer": "sgd", "lr": 1.0}
        >>> fit = zoo.fit(model, guide, **settings)
        >>> round(fit.program.store.values[0].item(), 4)
        1.1968
    """

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(FORMS)

    def evaluations(self, latents: Latents) -> int:
        """Two for each parameter of each coordinate (a Normal has two), and one for the model."""
        pairs = 0
        for latent in latents.sites:
            by_row = latents.rowwise and latents.row_plate is not None
            rows = latent.batch_shape[latents.row_plate.dim] if by_row else 1  # type: ignore[union-attr]
            continuous = latent.kind is Kind.CONTINUOUS
            size = latent.size if continuous else (latent.batch_shape + latent.event_shape).numel()
            pairs += (2 if continuous else 1) * size // rows
        return 2 * pairs + 1

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        sites = guide_sites(pair, args, kwargs)
        found = coordinates(sites, type(self).__name__)
        draw = {str(site["name"]): constant(site) for site in sites}
        splits = [split for one in found for split in split_density(one)]
        weights = at(pair, [draw], args, kwargs)
        terms = []
        for split in splits:
            which = one_each(split.of, pair.latents)
            with torch.no_grad():
                f = at(pair, _moved(draw, split, which), args, kwargs).log_w
            base: Any = split.of.base
            change = spread(f[0::2] - f[1::2], pair.latents, base)
            difference = (change * which).sum(0)
            terms.append((split.c.detach() * difference * split.t).sum())
        return estimate_mean(weights, add_up(terms))


def coordinates(sites: Sequence[Message], who: str) -> list[Coordinates]:
    """The coordinates of the guide's sites.

    Args:
        sites: of one run of the guide.
        who: the objective that asks, for the message.

    Raises:
        ValueError: naming a site whose coordinates are not independent Normal, Bernoulli or
            Poisson.
    """
    bases: list[Any] = [{**site, "fn": _base(site["fn"])} for site in sites]
    found = marginals(bases, KINDS, who)
    listed = []
    for site, base in zip(sites, bases, strict=True):
        u: Any = site["value"]
        transforms = _transforms(site["fn"])
        for transform in reversed(transforms):
            u = transform.inv(u)
        push = partial(_push, transforms)
        name = str(site["name"])
        listed.append(Coordinates(name, found[name], base["fn"], u.detach(), push))
    return listed


def _base(q: Any) -> Any:
    return q.base_dist if isinstance(q, TransformedDistribution) else q


def _transforms(q: Any) -> list[Transform]:
    return q.transforms if isinstance(q, TransformedDistribution) else []


def _push(transforms: Sequence[Transform], u: Tensor) -> Tensor:
    for transform in transforms:
        u = transform(u)
    return u


def split_density(of: Coordinates) -> list[Split]:
    """The positive and the negative part of a site's density, for each of its parameters."""
    q, z = of.q, of.u
    if isinstance(q, Normal):
        m, s = q.loc.detach(), q.scale.detach()
        rayleigh = (-2 * torch.log1p(-torch.rand_like(z))).sqrt()
        maxwell = torch.randn(3, *z.shape, dtype=z.dtype, device=z.device).norm(dim=0)
        maxwell = torch.where(torch.rand_like(z) < 0.5, maxwell, -maxwell)
        c = 1 / (s * math.sqrt(2 * math.pi))
        return [
            Split(of, q.loc, c, m + s * rayleigh, m - s * rayleigh),
            Split(of, q.scale, 1 / s, m + s * maxwell, m + s * maxwell * torch.rand_like(z)),
        ]
    if isinstance(q, Bernoulli):
        c = q.probs * (1 - q.probs)
        return [Split(of, q.logits, c, torch.ones_like(z), torch.zeros_like(z))]
    return [Split(of, q.rate, torch.ones_like(z), z + 1, z)]  # type: ignore[attr-defined]


def one_each(of: Coordinates, latents: Latents) -> Tensor:
    """Marks each coordinate of one row: 0 / 1, shape (coordinates, *plates with 1 row, *event)."""
    base: Any = of.base
    event, shape = len(base.event_shape), list(of.u.shape)
    shape = [1] * (latents.nesting + event - len(shape)) + shape
    if latents.rowwise and latents.row_plate is not None:
        shape[latents.row_plate.dim - event] = 1
    count = math.prod(shape)
    return torch.eye(count, dtype=of.u.dtype, device=of.u.device).reshape(count, *shape)


def _moved(draw: Values, split: Split, which: Tensor) -> Sequence[Values]:
    """The draw with one coordinate from q+, then from q-, for each coordinate."""
    of = split.of
    return [
        {**draw, of.name: of.push(torch.where(mask > 0, part, of.u))}
        for mask in which
        for part in (split.plus, split.minus)
    ]
