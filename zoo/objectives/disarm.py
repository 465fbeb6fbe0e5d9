"""DisARM, also called U2G: antithetic pairs for Bernoulli latents, Rao-Blackwellised.

Two draws share their noise, b = 1[u < p] and b' = 1[1 - u < p], p = sigmoid(l). With the noise
summed out of ARM given both draws, the gradient in each logit l_i is

    1/2 ( f(b) - f(b') ) (-1)^{b'_i} 1[b_i != b'_i] sigmoid(|l_i|).

Cost: two evaluations of f for each pair.
Source: Dong, Mnih & Tucker 2020, "DisARM"; Yin, Ho, Yan, Qian & Zhou 2020, "Probabilistic best
subset selection via gradient-based optimization" (U2G).

As `u2g`: The same estimator as DisARM, under its other name.
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
class DisARM(Objective):
    """The ELBO of Bernoulli latents from `pairs` antithetic pairs, the mean of their estimates.

    Raises:
        ValueError: for fewer than one pair.

    Example:
        A switch that is worth 3 nats, at p = 1/2: its two draws always differ, and give the exact
        gradient.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import DisARM
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
        >>> sorted({step(DisARM(), seed) for seed in range(4)})
        [0.75]
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
    sign = draws.one - draws.two  # (-1)^{b'} 1[b != b']
    return sign / 2 * draws.logit.detach().abs().sigmoid()
