"""ARM: augment-REINFORCE-merge, antithetic pairs for Bernoulli latents.

Two draws share their noise u, b = 1[u < p] and b' = 1[1 - u < p], p = sigmoid(l). The gradient
in each logit l_i is

    ( f(b) - f(b') ) (1/2 - u_i).

DisARM is its mean given b and b', and so has no larger variance.

Cost: two evaluations of f for each pair.
Source: Yin & Zhou 2019, "ARM: augment-REINFORCE-merge gradient for stochastic binary networks".
Topic: Binary latents.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.latents.forms import BITS
from zoo.objectives.antithetic import Antithetic, antithetic_loss
from zoo.objectives.objective import Needs, Objective, of_single_elements
from zoo.traces import Pair


@dataclass(frozen=True)
class ARM(Objective):
    """The ELBO of Bernoulli latents from `pairs` antithetic pairs and their noise.

    Raises:
        ValueError: for fewer than one pair.

    Example:
        A switch that is worth 3 nats, at p = 1/2; the exact gradient in its logit is 0.75. The
        size of an estimate is random, its sign is right.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import ARM
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
        >>> min(step(ARM(), seed) for seed in range(8)) > 0
        True
    """

    pairs: int = 1

    def __post_init__(self) -> None:
        keep_whole(self, "pairs", way="Two draws share their noise: pass pairs=1 or more.")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return of_single_elements(BITS)

    def evaluations(self, latents: Latents) -> int:
        """Two for each pair."""
        return 2 * self.pairs

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        return antithetic_loss(pair, _weight, self.pairs, args, kwargs, type(self).__name__)


def _weight(draws: Antithetic) -> Tensor:
    return 0.5 - draws.u
