"""Local expectation gradients: each discrete latent summed out, the others drawn.

For independent latents z_i with draws z the gradient in the parameters of q_i is

    sum_v grad q_i(v) f(z_{-i}, v),      v over all values of z_i:

no score-function noise from z_i itself, only that of the others. As sum_v grad q_i(v) = 0, f(z) is
taken off every term, and z itself is one of the values of every latent.

Cost: 1 + sum_i (number of values of z_i - 1) evaluations of f, side by side.
Source: Titsias & Lazaro-Gredilla 2015, "Local expectation gradients for black box variational
inference".
Topic: Exact sums.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    OneHotCategorical,
    constraints,
)

from zoo.latents import Latent, Latents
from zoo.latents.enumeration import elements
from zoo.latents.forms import FINITE
from zoo.objectives.log_ratio import at, guide_sites, marginals, widen
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.scored_draws import estimate
from zoo.traces import Pair, add_up

KINDS = (Bernoulli, OneHotCategorical, Categorical)


@dataclass(frozen=True)
class LocalSum(Objective):
    """The ELBO of binary or categorical latents from one draw and all its neighbours.

    Example:
        A switch that is worth 3 nats, at p = 1/2. It is the only latent, so that every draw gives
        the exact gradient.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import LocalSum
        >>> def model():
        ...     z = pyro.sample("z", dist.Bernoulli(0.5))
        ...     pyro.factor("gain", 3.0 * z)
        >>> def guide():
        ...     logit = pyro.param("logit", torch.tensor(0.0))
        ...     pyro.sample("z", dist.Bernoulli(logits=logit))
        >>> def step(objective, seed):
        ...     fit = zoo.fit(
        ...         model, guide, objective=objective, steps=1, optimizer="sgd", lr=1.0, seed=seed
        ...     )
        ...     return round(fit.program.store.values[0].item(), 4)
        >>> sorted({step(LocalSum(), seed) for seed in range(4)})
        [0.75]
    """

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(FINITE)

    def evaluations(self, latents: Latents) -> int:
        """The draw, and every other value of each latent."""
        return 1 + sum(_neighbours(site, latents) for site in latents.sites)

    def objection(self, latents: Latents) -> str | None:
        """Latents of a row beside shared ones: rows have no f of their own then.

        One row's latent cannot be moved without the others'.
        """
        own = [site.name for site in latents.sites if site.local]
        shared = [site.name for site in latents.sites if not site.local]
        if not (own and shared):
            return None
        return (
            f"LocalSum moves the latents of all rows at once; '{own[0]}' belongs to a row and "
            f"'{shared[0]}' is shared by all. Use rloo or trace_graph."
        )

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        latents = pair.latents
        q = marginals(guide_sites(pair, args, kwargs), KINDS, type(self).__name__)
        z = {name: widen(q[name].sample(), latents, latents[name]) for name in q}
        values = [z]
        for name in q:
            values += [z | {name: one} for one in neighbours(z[name], latents, latents[name])]
        weights = at(pair, values, args, kwargs)
        f = weights.log_w.detach()
        counts = [_neighbours(latents[name], latents) for name in q]
        gains = (f[1:] - f[0]).split(counts)
        terms = [
            local_sum(q[name], z[name], gain, latents, latents[name])
            for name, gain in zip(q, gains, strict=True)
        ]
        return estimate(weights, f[0].sum(), weights.log_p[0].sum() + add_up(terms))


def local_sum(
    q: Distribution, z: Tensor, gains: Tensor, latents: Latents, latent: Latent
) -> Tensor:
    """sum_i sum_v q_i(v) ( f(z_{-i}, v) - f(z) ) over the elements i of a site, shape ().

    Args:
        q: the distribution of the elements.
        z: the draw, shape (*plates, *event).
        gains: the differences, shape (neighbours, rows), in the order of :func:`neighbours`.
        latents: description of the model.
        latent: the site.
    """
    terms = []
    shape = elements(latent, latents)
    for by, gain in enumerate(gains.chunk(latent.classes - 1), start=1):
        laid = gain.reshape(*shape, -1)  # the rows' plate has size 1: they take its place
        if latents.rowwise and latents.row_plate is not None:
            laid = laid.transpose(latents.nesting + latents.row_plate.dim, -1)
        chance = q.log_prob(shifted(z, by, latent)).exp()
        terms.append((chance * laid.squeeze(-1)).sum())
    return add_up(terms)


def neighbours(z: Tensor, latents: Latents, latent: Latent) -> Tensor:
    """All values that differ from z in one element of each row.

    Args:
        z: shape (*plates, *event).
        latents: description of the model.
        latent: the site.

    Returns:
        Shape (neighbours, *plates, *event): the first shift of every element, then the next.
    """
    shape = elements(latent, latents)
    size = math.prod(shape)
    own = torch.eye(size, dtype=torch.bool, device=z.device).reshape(size, *shape)
    if latent.base_support is constraints.one_hot:
        own = own.unsqueeze(-1)
    shifts = [shifted(z, by, latent) for by in range(1, latent.classes)]
    return torch.cat([torch.where(own, shift, z) for shift in shifts])


def shifted(z: Tensor, by: int, latent: Latent) -> Tensor:
    """Every element moved on by that many values, round and round."""
    if latent.base_support is constraints.one_hot:
        return z.roll(by, -1)
    if latent.base_support is constraints.boolean:
        return 1 - z
    lowest = int(latent.base_support.lower_bound)  # type: ignore[attr-defined]
    return (z - lowest + by) % latent.classes + lowest


def _neighbours(latent: Latent, latents: Latents) -> int:
    return (latent.classes - 1) * math.prod(elements(latent, latents))
