"""Draws of Bernoulli latents with f and its gradient in them, as if they were real numbers."""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.objectives.log_ratio import Values, at_with_slopes, bernoulli_logits, widen
from zoo.traces import Pair, Weights


@dataclass(frozen=True)
class BernoulliDraws:
    """K draws, constants for autograd; by site (K, *plates, *event), f (K, rows).

    Attributes:
        x: the draws.
        mu: their mean, (*plates, *event).
        f: log p(x, z) - log q(z) at each draw.
        grad_f: its gradient in the draws.
    """

    x: Values
    mu: Values
    f: Tensor
    grad_f: Values

    def shifted(self, by: int) -> "BernoulliDraws":
        """Puts draw k in the place of draw k + by, around the end."""
        x = {n: value.roll(by, 0) for n, value in self.x.items()}
        grad_f = {n: value.roll(by, 0) for n, value in self.grad_f.items()}
        return BernoulliDraws(x, self.mu, self.f.roll(by, 0), grad_f)


def wide_logits(pair: Pair, args: tuple, kwargs: dict, who: str) -> Values:
    """The guide's logits by site, with a dimension for every plate.

    Raises:
        ValueError: naming a site that is not Bernoulli.
    """
    found = bernoulli_logits(pair, args, kwargs, who)
    return {name: widen(logit, pair.latents, pair.latents[name]) for name, logit in found.items()}


def draw_with_slopes(
    pair: Pair, count: int, args: tuple, kwargs: dict, who: str
) -> tuple[Values, Weights, BernoulliDraws]:
    """Draws the latents `count` times: the guide's logits, the weights, and the draws.

    Args:
        pair: the model and the guide.
        count: number of particles.
        args: arguments of both.
        kwargs: their keyword arguments.
        who: the objective that asks, for messages.
    """
    logits = wide_logits(pair, args, kwargs, who)
    mu = {name: logit.detach().sigmoid() for name, logit in logits.items()}
    x = {name: torch.bernoulli(mu[name].expand(count, *mu[name].shape)) for name in mu}
    weights, grad_f = at_with_slopes(pair, x, args, kwargs)
    return logits, weights, BernoulliDraws(x, mu, weights.log_w.detach(), grad_f)
