"""VIMCO: the importance-weighted bound by score function; other draws are the baseline.

With w_k = p(x, z_k) / q(z_k), L = log 1/K sum_k w_k and v_k = w_k / sum_j w_j the gradient is

    sum_k ( L - L_{-k} ) grad log q(z_k)  +  sum_k v_k grad log w_k,
    L_{-k} = log 1/K ( sum_{j != k} w_j + w^_k ),

where w^_k stands in for the missing weight: the arithmetic mean of the other w_j, or their
geometric mean. It is unbiased for L with either. The draws are taken for constants.

Cost: K evaluations of f.
Source: Mnih & Rezende 2016, "Variational inference for Monte Carlo objectives".

As `vimco_geometric`: VIMCO with the geometric mean of the other weights in its baseline.
Topic: Score function.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.checks.arguments import flag, keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate, others
from zoo.objectives.target import PowerMean, Target, both
from zoo.traces import Pair, log_mean_exp


@dataclass(frozen=True)
class VIMCO(Objective):
    """The bound of K = `particles` weights; the missing one by an arithmetic or geometric mean.

    Raises:
        ValueError: for fewer than two particles.

    Example:
        With two draws the other weights are a single one: both of its means are the same.

        >>> import pyro
        >>> import pyro.distributions as dist
        >>> import torch
        >>> import zoo
        >>> from zoo.objectives import VIMCO
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
        >>> [step(VIMCO(2), seed) == step(VIMCO(2, geometric=True), seed) for seed in range(4)]
        [True, True, True, True]
    """

    particles: int = 5
    geometric: bool = False

    def __post_init__(self) -> None:
        way = "Each draw's baseline is made of the others: for one draw use reinforce."
        keep_whole(self, "particles", least=2, way=way)
        flag("geometric", self.geometric)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True, nonlinear=True)

    @property
    def target(self) -> Target:
        """The bound that its gradient is for."""
        return both(PowerMean(self.particles))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound, nats, shape ()."""
        weights = draw(pair, self.particles, args, kwargs, fixed=True)
        log_w = weights.log_w.detach()
        bound, v = log_mean_exp(log_w), log_w.softmax(0)
        signal = bound - leave_one_out(log_w, geometric=self.geometric)
        surrogate = signal * weights.log_q_constant + v * weights.log_w
        return estimate(weights, bound.sum(), surrogate.sum())


def leave_one_out(log_w: Tensor, *, geometric: bool) -> Tensor:
    """L_{-k}, the bound with a stand-in for the k-th weight.

    Args:
        log_w: log-weights, nats, shape (particles, rows).
        geometric: is the stand-in the geometric mean of the other weights?

    Returns:
        Nats, shape (particles, rows).
    """
    count = len(log_w)
    itself = torch.eye(count, dtype=torch.bool, device=log_w.device)[:, :, None]
    rest = log_w.masked_fill(itself, -math.inf).logsumexp(1)
    missing = others(log_w) if geometric else rest - math.log(count - 1)
    return torch.logaddexp(rest, missing) - math.log(count)
