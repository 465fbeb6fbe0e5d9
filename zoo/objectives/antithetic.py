"""Antithetic pairs of Bernoulli draws, which share their noise: 1[u < p] and 1[1 - u < p]."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.objectives.log_ratio import at, bernoulli_logits, spread
from zoo.objectives.scored_draws import estimate
from zoo.traces import Pair, add_up


class Antithetic(NamedTuple):
    """One pair of draws of a site; all of one shape, (*plates, *event).

    Attributes:
        logit: l of the guide, p = sigmoid(l).
        u: uniform noise.
        one: b = 1[u < p].
        two: b' = 1[1 - u < p].
    """

    logit: Tensor
    u: Tensor
    one: Tensor
    two: Tensor


def antithetic_loss(
    pair: Pair, weight: Callable[[Antithetic], Tensor], args: tuple, kwargs: dict, who: str
) -> Tensor:
    """Negative ELBO whose gradient in each logit is minus ( f(b) - f(b') ) times a weight.

    Args:
        pair: the model and the guide.
        weight: of the difference in each logit; a constant, shaped as the logits.
        args: arguments of both.
        kwargs: their keyword arguments.
        who: the objective that asks, for messages.

    Returns:
        Nats, shape ().
    """
    logits = bernoulli_logits(pair, args, kwargs, who)
    u = {name: torch.rand_like(logit) for name, logit in logits.items()}
    draws = {name: draw_twice(logit, u[name]) for name, logit in logits.items()}
    both = [{name: d.one for name, d in draws.items()}, {name: d.two for name, d in draws.items()}]
    weights = at(pair, both, args, kwargs)
    f, terms = weights.log_w.detach(), []
    for name, drawn in draws.items():
        difference = spread(f[0] - f[1], pair.latents, pair.latents[name])
        terms.append((difference * weight(drawn) * drawn.logit).sum())
    return estimate(weights, f.mean(0).sum(), weights.log_p.mean(0).sum() + add_up(terms))


def draw_twice(logit: Tensor, u: Tensor) -> Antithetic:
    """The two draws that share the noise u, constants of the type of u."""
    p = logit.sigmoid()
    return Antithetic(logit, u, (u < p).to(u), (1 - u < p).to(u))
