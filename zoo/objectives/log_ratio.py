"""Values of an estimator's own choice: f(z) = log p(x, z) - log q(z) there, and their layout.

A site's values have the shape (*plates, *event); several stand side by side in front of that, and
f has one number for each of them and each row.
"""

from collections.abc import Sequence
from typing import Any

import torch
from pyro import poutine
from pyro.distributions import Independent
from pyro.poutine.runtime import Message
from torch import Tensor
from torch.distributions import Bernoulli, Distribution

from zoo.latents import Latent, Latents
from zoo.traces import Assign, Pair, Weights, run, sample_sites, weigh

Values = dict[str, Tensor]


def at(pair: Pair, values: Sequence[Values], args: tuple, kwargs: dict) -> Weights:
    """Scores joint values of one's own.

    Args:
        pair: the model and the guide.
        values: one dict of site -> value for each particle, shaped as the guide draws them.
        args: arguments of both.
        kwargs: their keyword arguments.
    """
    latents = pair.latents
    chosen = [_side_by_side(values, latents)] if latents.vectorises else values
    runs = []
    for one in chosen:
        with Assign(one):
            runs.append(run(pair.model, pair.guide, args, kwargs))
    return weigh(runs, latents, rowwise=latents.rowwise)


def _side_by_side(values: Sequence[Values], latents: Latents) -> Values:
    """Particles along a new dimension to the left of all plates."""
    stacked = {}
    for name in values[0]:
        dims = latents.nesting + len(latents[name].event_shape)
        parts = [one[name] for one in values]
        stacked[name] = torch.stack([p.reshape((1,) * (dims - p.dim()) + p.shape) for p in parts])
    return stacked


def at_with_slopes(
    pair: Pair, values: Values, args: tuple, kwargs: dict
) -> tuple[Weights, Values]:
    """Scores binary values and takes f's derivatives in them, as if they were real numbers.

    Args:
        pair: the model and the guide.
        values: by site, shape (particles, *plates, *event).
        args: arguments of both.
        kwargs: their keyword arguments.

    Returns:
        The weights, and the gradient of each particle's f by site, constants of the same shape.
    """
    with torch.enable_grad():  # a validation loss is taken without
        reals = {name: value.detach().requires_grad_() for name, value in values.items()}
        weights = at(pair, unstacked(reals), args, kwargs)
        slopes = torch.autograd.grad(weights.log_w.sum(), list(reals.values()), retain_graph=True)
    return weights, dict(zip(reals, slopes, strict=True))


def unstacked(values: Values) -> list[Values]:
    """One dict for each particle out of one dict of all particles."""
    return [dict(zip(values, one, strict=True)) for one in zip(*values.values(), strict=True)]


def guide_sites(pair: Pair, args: tuple, kwargs: dict) -> list[Message]:
    """The sample sites of one run of the guide, with their distributions."""
    trace = poutine.trace(pair.guide).get_trace(*args, **kwargs)
    return sample_sites(poutine.util.prune_subsample_sites(trace))


def marginals(
    sites: Sequence[Message], kinds: tuple[type[Distribution], ...], who: str
) -> dict[str, Distribution]:
    """The distribution of each site without its wrappers, one element an independent draw.

    Args:
        sites: of a guide.
        kinds: the distributions that are allowed.
        who: the objective that asks, for the message.

    Raises:
        ValueError: naming the site whose distribution is none of them.
    """
    found: dict[str, Distribution] = {}
    for site in sites:
        q: Any = site["fn"]
        while isinstance(q, Independent):
            q = q.base_dist
        if not isinstance(q, kinds):
            allowed = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(
                f"{who} takes latents that the guide draws from {allowed}; '{site['name']}' is "
                f"drawn from {type(q).__name__}. Use rloo or trace_graph, which take any guide."
            )
        found[str(site["name"])] = q
    return found


def bernoulli_logits(pair: Pair, args: tuple, kwargs: dict, who: str) -> dict[str, Tensor]:
    """The guide's logits by site, each shaped as a draw.

    Raises:
        ValueError: naming a site that is not Bernoulli.
    """
    found = marginals(guide_sites(pair, args, kwargs), (Bernoulli,), who)
    return {name: q.logits for name, q in found.items()}  # type: ignore[attr-defined]


def spread(signal: Tensor, latents: Latents, latent: Latent) -> Tensor:
    """Lays a signal of each row out along a site: (..., rows) -> (..., *plates, *event).

    Every dimension but the rows' is 1; `latent` may also be a site of a run.
    """
    rows = latents.row_plate.dim if latents.rowwise and latents.row_plate else -1
    shape = [1] * latents.nesting
    if latents.nesting:
        shape[rows] = signal.shape[-1]
    return signal.reshape((*signal.shape[:-1], *shape, *(1 for _ in latent.event_shape)))


def widen(draw: Tensor, latents: Latents, latent: Latent) -> Tensor:
    """A draw with a dimension for every plate, so that particles can go in front of them."""
    dims = latents.nesting + len(latent.event_shape)
    return draw.reshape((1,) * (dims - draw.dim()) + draw.shape)


def row_sums(value: Tensor, latents: Latents, latent: Latent) -> Tensor:
    """Sums each row's part of a site: (particles, *plates, *event) -> (particles, rows)."""
    rows = latents.row_plate.dim if latents.rowwise and latents.row_plate else 0
    events = len(latent.event_shape)
    inner = [-d for d in range(1, latents.nesting + 1) if -d != rows]
    dims = [*range(-events, 0), *(d - events for d in inner)]
    return (value.sum(dims) if dims else value).reshape(len(value), -1)
