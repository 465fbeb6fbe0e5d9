"""The thermodynamic variational objective: a bound that sums over temperatures.

On the path pi_b ~ q^(1-b) p^b = q w^b from q to the posterior, log p(x) is the integral over
b in [0, 1] of E_{pi_b}[ log w ], w = p(x, z) / q(z). The integrand never falls, so its left
Riemann sum over 0 = b_0 < b_1 < ... < b_P = 1 is a lower bound, and its first term is the ELBO:

    TVO = sum_p (b_{p+1} - b_p) E_{pi_{b_p}}[ log w ],       E_{pi_b}[ h ] ~ sum_k v_k h(z_k),

v_k = w_k^b / sum_j w_j^b of K draws from q. b_1, ..., b_P are even on the log scale. Gradient:

    grad E_{pi_b}[ log w ] = E_{pi_b}[ grad log w ] + Cov_{pi_b}( grad log( q w^b ), log w ),

both from the same weighted draws; the covariance takes K / (K - 1). The draws are held constant.
Exact for b = 0 (there it is leave-one-out REINFORCE); biased by 1/K for b > 0.

Cost: K evaluations of f, for any P.
Source: Masrani, Le & Wood 2019, "The thermodynamic variational objective".
Topic: Bounds of several draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_whole
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_draws import draw, estimate
from zoo.objectives.target import PathIntegral, Target, both
from zoo.traces import Pair, Weights


@dataclass(frozen=True)
class Thermodynamic(Objective):
    """The lower thermodynamic bound from K = `particles`, in P = `partitions` strips.

    Raises:
        ValueError: for fewer than two particles or one partition, or beta_1 outside of (0, 1).

    Example:
        In one strip it is the ELBO; more strips are tighter.

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import Thermodynamic, Trace
        >>> x, model = torch.randn(4, 3), ProbabilisticPCA(3, 2)
        >>> def bound(objective):
        ...     fit = zoo.fit(model, guides.AmortisedNormal, x, objective=objective, steps=1)
        ...     return -fit.losses.item()
        >>> abs(bound(Thermodynamic(5, partitions=1)) - bound(Trace(5))) < 1e-3
        True
        >>> bound(Trace(5)) <= bound(Thermodynamic(5, partitions=5))
        True
    """

    particles: int = 10
    partitions: int = 5
    beta_1: float = 0.1

    def __post_init__(self) -> None:
        keep_strips(self)

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True, nonlinear=True)

    @property
    def target(self) -> Target:
        """Its bound with exact means, which it reaches as K grows."""
        return both(PathIntegral(tuple(self.betas())))

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative bound, nats, shape ()."""
        weights = draw(pair, self.particles, args, kwargs, fixed=True)
        return self.of_weights(weights)

    def betas(self) -> list[float]:
        """b_0 = 0, b_1, ..., b_P = 1."""
        steps = self.partitions - 1
        return [0.0, *(self.beta_1 ** (1 - p / steps) for p in range(steps)), 1.0]

    def of_weights(self, weights: Weights) -> Tensor:
        """The loss of draws that are constants, shape ()."""
        betas = self.betas()
        return estimate(weights, *riemann_sum(weights, betas, betas[:-1]))


def keep_strips(record: object) -> None:
    """Checks the fields that say how many draws and strips there are, and where the first ends.

    Raises:
        ValueError: for fewer than two particles or one partition, or beta_1 outside of (0, 1).
    """
    way = "The covariance of one draw is not defined."
    keep_whole(record, "particles", least=2, way=way)
    keep_whole(record, "partitions")
    way = "It is the end of the first of the strips."
    keep_number(record, "beta_1", above=0.0, below=1.0, way=way)


def riemann_sum(
    weights: Weights, betas: Sequence[float], taken: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """The sum over strips of their width times E_{pi_b}[log w], and what has its gradient.

    Args:
        weights: of draws that are constants.
        betas: b_0, ..., b_P, between which the strips lie.
        taken: b of each strip, at which the mean is taken.
    """
    strips = zip(betas[:-1], betas[1:], taken, strict=True)
    terms = [(end - start) * torch.stack(expectation(weights, b)) for start, end, b in strips]
    value, surrogate = torch.stack(terms).sum(0)
    return value, surrogate


def expectation(weights: Weights, b: float) -> tuple[Tensor, Tensor]:
    """E_{pi_b}[log w] summed over rows, nats, and what has its gradient; shape () each."""
    f, count = weights.log_w.detach(), len(weights.log_w)
    v = (b * f).softmax(0)
    mean = (v * f).sum(0)
    log_pi = weights.log_q_constant + b * weights.log_w
    covariance = (v * (f - mean) * log_pi).sum(0) * count / (count - 1)
    own = weights.log_w if b > 0 else weights.log_p  # E_q grad log q = 0
    return mean.sum(), ((v * own).sum(0) + covariance).sum()
