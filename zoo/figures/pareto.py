"""The upper tail of importance weights as a generalised Pareto distribution, all rows at once.

Weights above a high cut u exceed it by e > 0 with density 1/sigma (1 + k e / sigma)^(-1/k - 1).
The mean excess is sigma / (1 - k); estimated by maximum likelihood from M exceedances its variance
is V / M with

    V = sigma^2 (1 + k)(1 - k + 2 k^2) / (1 - k)^4,

finite up to k = 1, while the variance of the exceedances ends at k = 1/2, and a sample's own
variance, which has not met the largest weights, says too little from there on.
Source: Zhang & Stephens 2009, "A new and efficient estimation method for the generalized Pareto
distribution"; Vehtari et al. 2024, "Pareto smoothed importance sampling" (cut, weak prior on k);
Smith 1987, "Estimating tails of probability distributions" (the information matrix behind V).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

FEWEST = 5  # exceedances
PRIOR_COUNT, PRIOR_K = 10, 0.5
HEAVIEST = 0.8  # k from which on V is held: it has no limit at 1


class Tail(NamedTuple):
    """The tail of each row's weights, which are relative to the largest of the row.

    Attributes:
        k: shape; NaN where there is no tail to fit. (rows,)
        sigma: scale. (rows,)
        cut: u, the largest weight that is not in the tail. (rows,)
        exceedances: M, their number.
    """

    k: Tensor
    sigma: Tensor
    cut: Tensor
    exceedances: int


def fit_tail(log_w: Tensor) -> Tail | None:
    """Fits the largest min(S / 5, 3 sqrt(S)) of S weights; None for fewer than 5 of them.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    draws = len(log_w)
    count = math.ceil(min(draws / 5, 3 * draws**0.5))
    if count < FEWEST:
        return None
    ordered = (log_w.double() - log_w.double().max(0).values).sort(0).values.exp()
    cut = ordered[-count - 1]
    k, sigma = fit_pareto(ordered[-count:] - cut)
    return Tail(k, sigma, cut, count)


def fit_pareto(excess: Tensor) -> tuple[Tensor, Tensor]:
    """Shape k and scale sigma of each column; NaN where a quarter of it is 0.

    Args:
        excess: positive and in ascending order, shape (exceedances, rows).
    """
    count = len(excess)
    tried = 30 + int(count**0.5)
    steps = torch.arange(1, tried + 1, dtype=excess.dtype, device=excess.device) - 0.5
    quarter = excess[int(count / 4 + 0.5) - 1]
    theta = (1 - (tried / steps).sqrt())[:, None] / (3 * quarter) + 1 / excess[-1]
    shape = torch.log1p(-theta[:, None] * excess).mean(1)
    log_likelihood = count * ((-theta / shape).log() - shape - 1)
    theta = (log_likelihood.softmax(0) * theta).sum(0)
    shape = torch.log1p(-theta * excess).mean(0)
    shrunk = (count * shape + PRIOR_COUNT * PRIOR_K) / (count + PRIOR_COUNT)
    unfit = (quarter <= 0) | ~(shrunk.isfinite() & theta.isfinite())
    return shrunk.masked_fill(unfit, math.nan), -shape / theta


def variance_of_mean_excess(tail: Tail) -> Tensor:
    """V above, the variance of the mean excess times the exceedances: (rows,)."""
    k = tail.k.clamp(max=HEAVIEST)
    return tail.sigma**2 * (1 + k) * (1 - k + 2 * k**2) / (1 - k) ** 4
