"""Sticking the landing: the ELBO's gradient without its score-function term.

With z = g(noise; phi), grad log q(z) splits into a path through z and the score function, whose
mean is 0. The score is left out:

    grad ( log p(x, z) - log q(z; phi held constant) ),      z differentiated through.

Its variance vanishes where q is the exact posterior. For flows this is the path gradient. Vaitl
et al. find the same number, draw by draw, by a recursion along the steps of the flow, without the
inverse that the second score takes here: their estimator differs in its cost alone.

Cost: one evaluation of log p(x, z) a particle, and q is scored twice; where q is a flow, the
second time inverts it.
Source: Roeder, Wu & Duvenaud 2017, "Sticking the landing"; Vaitl, Nicoli, Nakajima & Kessel 2022,
"Gradients should stay on path".
Topic: ELBO.
"""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.objectives.frozen import frozen
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_again import score_again
from zoo.objectives.scored_draws import estimate
from zoo.traces import Pair, weigh


@dataclass(frozen=True)
class StickingTheLanding(Objective):
    """The ELBO from `particles` draws, without the score-function term.

    Example:
        The guide is the exact posterior. It takes no step away from there, while `trace` does.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import StickingTheLanding, Trace
        >>> def model():
        ...     pyro.sample("z", dist.Normal(0.0, 1.0))
        >>> def guide():
        ...     pyro.sample("z", dist.Normal(pyro.param("loc", torch.tensor(0.0)), 1.0))
        >>> def step(objective):
        ...     fit = zoo.fit(model, guide, objective=objective, steps=1, optimizer="sgd", lr=1.0)
        ...     return fit.program.store.values[0].item()
        >>> step(StickingTheLanding()) == 0, step(Trace()) == 0
        (True, False)
    """

    particles: int = 1

    def __post_init__(self) -> None:
        keep_whole(self, "particles")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(reparameterised=True, density=True)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        runs = pair.draw(self.particles, args, kwargs)
        still = replace(pair, guide=frozen(pair.guide))
        runs = score_again(still, runs, self.particles, args, kwargs)
        weights = weigh(runs, pair.latents, rowwise=pair.latents.rowwise)
        bound = weights.log_w.mean(0).sum()
        return estimate(weights, bound, bound)
