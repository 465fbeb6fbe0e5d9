"""REINFORCE, the score-function estimator, with or without baselines.

For draws of f(z) = log p(x, z) - log q(z) the gradient in q's parameters is

    1/K sum_k ( f(z_k) - b ) grad log q(z_k),

where b does not depend on z_k. Every draw is taken for a constant, also where the guide could be
differentiated through, and every draw of a row is held responsible for all of the row's f. With
DecayingAverage() and Neural() for b it is NVIL without its local signals, and without its division
of the signal by a running standard deviation.

Cost: K evaluations of f.
Source: Williams 1992, "Simple statistical gradient-following algorithms"; Ranganath, Gerrish &
Blei 2014, "Black box variational inference"; Mnih & Gregor 2014, "Neural variational inference".

As `reinforce_average`: REINFORCE with a running mean of the signal as its baseline.
Topic: Score function.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latents
from zoo.objectives.baselines import Baseline, Baselines, check_baselines, no_rows_to_read
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate
from zoo.traces import Pair

ROWS = "rows"  # name of the only signal: f of each row


@dataclass(frozen=True)
class Reinforce(Objective):
    """The ELBO from `particles` draws; `baselines` are subtracted from each row's f.

    Raises:
        ValueError: for fewer than one particle.

    Example:
        A switch that is worth 3 nats, at p = 1/2; the exact gradient in its logit is 0.75. One
        draw gives 0 (off) or 1.5 (on); with the best baseline, E f = 1.5, every draw gives 0.75.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import ConstantBaseline, Reinforce
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
        >>> sorted({step(Reinforce(), seed) for seed in range(8)})
        [0.0, 1.5]
        >>> best = Reinforce(baselines=(ConstantBaseline(1.5),))
        >>> sorted({step(best, seed) for seed in range(8)})
        [0.75]
    """

    particles: int = 1
    baselines: tuple[Baseline, ...] = ()

    def __post_init__(self) -> None:
        way = "To sum out the latents instead of drawing them use enumerate."
        keep_whole(self, "particles", way=way)
        check_baselines(self.baselines)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True)

    def objection(self, latents: Latents) -> str | None:
        """A neural baseline reads data rows."""
        return no_rows_to_read(self.baselines, latents)

    def state(self, latents: Latents) -> Baselines:
        """One set of baselines."""
        return Baselines(self.baselines, latents, (ROWS,))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative ELBO, nats, shape ()."""
        weights = draw(pair, self.particles, args, kwargs, fixed=True)
        f = weights.log_w.detach()
        signal, own_loss = state(ROWS, f, 1.0, args)
        surrogate = signal * weights.log_q_constant + weights.log_p
        return estimate(weights, f.mean(0).sum(), surrogate.mean(0).sum() - own_loss)
