"""Antithetic pairs of Bernoulli draws, which share their noise: 1[u < p] and 1[1 - u < p]."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.objectives.bernoulli_draws import wide_logits
from zoo.objectives.log_ratio import at, spread, unstacked
from zoo.objectives.scored_draws import estimate_mean
from zoo.traces import Pair, add_up


class Antithetic(NamedTuple):
    """Pairs of draws of a site; all of one shape, (pairs, *plates, *event).

    Attributes:
        logit: l of the guide, p = sigmoid(l); the same in every pair.
        u: uniform noise.
        one: b = 1[u < p].
        two: b' = 1[1 - u < p].
    """

    logit: Tensor
    u: Tensor
    one: Tensor
    two: Tensor


def antithetic_loss(
    pair: Pair,
    weight: Callable[[Antithetic], Tensor],
    count: int,
    args: tuple,
    kwargs: dict,
    who: str,
) -> Tensor:
    """Negative ELBO whose gradient in each logit is minus ( f(b) - f(b') ) times a weight.

    It is the mean over independent pairs.

    Args:
        pair: the model and the guide.
        weight: of the difference in each logit; a constant, shaped as the draws.
        count: number of pairs.
        args: arguments of both.
        kwargs: their keyword arguments.
        who: the objective that asks, for messages.

    Returns:
        Nats, shape ().
    """
    logits = wide_logits(pair, args, kwargs, who)
    u = {n: torch.rand_like(logit.expand(count, *logit.shape)) for n, logit in logits.items()}
    draws = {name: draw_twice(logit, u[name]) for name, logit in logits.items()}
    both = {name: torch.cat([drawn.one, drawn.two]) for name, drawn in draws.items()}
    weights = at(pair, unstacked(both), args, kwargs)
    f, terms = weights.log_w.detach(), []
    for name, drawn in draws.items():
        difference = spread(f[:count] - f[count:], pair.latents, pair.latents[name])
        terms.append(((difference * weight(drawn)).mean(0) * drawn.logit).sum())
    return estimate_mean(weights, add_up(terms))


def draw_twice(logit: Tensor, u: Tensor) -> Antithetic:
    """The two draws of each pair, which share its noise u; constants of the type of u."""
    p = logit.sigmoid()
    return Antithetic(logit, u, (u < p).to(u), (1 - u < p).to(u))
