"""REINFORCE with a leave-one-out baseline.

For K draws the baseline of each is the mean of f = log p(x, z) - log q(z) over the others:

    1/K sum_k ( f(z_k) - 1/(K-1) sum_{j != k} f(z_j) ) grad log q(z_k).

The draws are taken for constants, also where the guide could be differentiated through.

Cost: K evaluations of f.
Source: Salimans & Knowles 2014; Kool, van Hoof & Welling 2019, "Buy 4 REINFORCE samples, get a
baseline for free!".
Topic: Score function.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate
from zoo.traces import Pair


@dataclass(frozen=True)
class LeaveOneOut(Objective):
    """The ELBO with the leave-one-out estimator over `particles` draws.

    Raises:
        ValueError: for fewer than two particles.

    Example:
        A switch that is worth 3 nats, at p = 1/2; the exact gradient in its logit is 0.75. Two
        equal draws give 0, two different ones 1.5.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import LeaveOneOut
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
        >>> sorted({step(LeaveOneOut(), seed) for seed in range(8)})
        [0.0, 1.5]
    """

    particles: int = 2

    def __post_init__(self) -> None:
        way = "Each draw's baseline is the mean of the others: for one draw use reinforce."
        keep_whole(self, "particles", least=2, way=way)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        weights = draw(pair, self.particles, args, kwargs, fixed=True)
        f = weights.log_w.detach()
        baseline = (f.sum(0) - f) / (self.particles - 1)
        surrogate = (f - baseline) * weights.log_q_constant + weights.log_p
        return estimate(weights, f.mean(0).sum(), surrogate.mean(0).sum())
