"""MuProp: the score function with a first-order Taylor expansion of f as its baseline.

With mu the probabilities of b, one evaluation there gives f(mu) and f'(mu), and the gradient is

    ( f(b) - f(mu) - f'(mu)^T (b - mu) ) grad log q(b)  +  f'(mu)^T grad mu.

The last term is the mean of what the linear part takes off the first, so that the estimate is
unbiased. f is a fixed function of b in it, and must be defined between 0 and 1. If f is linear, no
variance is left.

Cost: an evaluation of f for each draw and one at mu, and one gradient of it there.
Source: Gu, Levine, Sutskever & Mnih 2016, "MuProp: unbiased backpropagation for stochastic neural
networks".
Topic: Score function.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.latents.forms import RELAXABLE
from zoo.objectives.concrete import Between, draw, finite_latents, mean, score_gradient
from zoo.objectives.log_ratio import at_with_slopes, row_sums, spread
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.objectives.scored_draws import estimate
from zoo.traces import Pair, add_up


@dataclass(frozen=True)
class MuProp(Objective):
    """The ELBO of binary or one-hot latents from `particles` draws and their mean.

    Raises:
        ValueError: for fewer than one particle.

    Example:
        A switch that is worth 3 nats, at p = 1/2. As f is linear, every draw gives the exact
        gradient.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import MuProp
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
        >>> sorted({step(MuProp(), seed) for seed in range(4)})
        [0.75]
    """

    particles: int = 1

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(RELAXABLE)

    def evaluations(self, latents: Latents) -> int:
        """One for each particle and one at the mean, and a gradient there."""
        return self.particles + 1 + 1

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        latents, count = pair.latents, self.particles
        q = finite_latents(pair, args, kwargs, type(self).__name__)
        mu = {name: mean(q[name]) for name in q}
        b = {name: draw(q[name], count) for name in q}
        both = {name: torch.cat((b[name], mu[name][None])) for name in q}
        with Between():
            weights, slopes = at_with_slopes(pair, both, args, kwargs)
        slope = {name: slopes[name][count] for name in q}
        f_b, f_mu = weights.log_w.detach().split((count, 1))
        linear = add_up(
            row_sums(slope[n] * (b[n] - mu[n]).detach(), latents, latents[n]) for n in q
        )
        signal, terms = f_b - f_mu - linear, []
        for n in q:
            score = spread(signal, latents, latents[n]) * score_gradient(q[n], b[n])
            terms.append((score.mean(0) * q[n].logits + slope[n] * mu[n]).sum())
        log_p = weights.log_p[:count].mean(0).sum()
        return estimate(weights, f_b.mean(0).sum(), log_p + add_up(terms))
