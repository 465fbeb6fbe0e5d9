"""The upper tail of importance weights as a generalised Pareto distribution, all rows at once.

Weights above a high cut u exceed it by e > 0 with density 1/sigma (1 + k e / sigma)^(-1/k - 1).
The mean excess is sigma / (1 - k); estimated by maximum likelihood from M exceedances its variance
is V / M with

    V = sigma^2 (1 + k)(1 - k + 2 k^2) / (1 - k)^4,

which is finite for k < 1. The exceedances themselves have a finite variance only for k < 1/2; for
a larger k the sample variance is too small, because the largest weights have not been drawn yet.
Source: Zhang & Stephens 2009, "A new and efficient estimation method for the generalized Pareto
distribution"; Vehtari et al. 2024, "Pareto smoothed importance sampling" (cut, weak prior on k);
Smith 1987, "Estimating tails of probability distributions" (the information matrix behind V).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

FEWEST_EXCEEDANCES = 5
PRIOR_K = 0.5  # prior mean of k
PRIOR_COUNT = 10  # weight of the prior mean, in exceedances
LARGEST_K = 0.8  # V grows without limit as k nears 1, so a larger k counts as this one


class Tail(NamedTuple):
    """The tail of each row's weights, in units of the largest weight of the row.

    Attributes:
        k: shape, (rows,); NaN where no tail can be fitted.
        sigma: scale, (rows,); 0 where it is too small for a float64.
        cut: u, the largest weight that is not in the tail, (rows,).
        exceedances: M, the number of weights in the tail.
        log_sigma: logarithm of sigma, (rows,); exact also where sigma is rounded to 0.
    """

    k: Tensor
    sigma: Tensor
    cut: Tensor
    exceedances: int
    log_sigma: Tensor


def fit_tail(log_w: Tensor) -> Tail | None:
    """The tail of S weights, which is their largest min(S / 5, 3 sqrt(S)); None if below 5.

    Weights that differ by hundreds of nats cannot be subtracted in floating point, so everything
    is computed in logarithms.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    draws = len(log_w)
    count = tail_length(draws)
    if count < FEWEST_EXCEEDANCES:
        return None
    ordered = (log_w.double() - log_w.double().max(0).values).sort(0).values
    cut = ordered[-count - 1]
    log_excess = ordered[-count:] + torch.log(-torch.expm1(cut - ordered[-count:]))
    k, log_sigma = _fit_logs(log_excess)
    return Tail(k, log_sigma.exp(), cut.exp(), count, log_sigma)


def tail_length(draws: int) -> int:
    """Number of weights in the tail of so many draws."""
    return math.ceil(min(draws / 5, 3 * draws**0.5))


def fit_pareto(excess: Tensor) -> tuple[Tensor, Tensor]:
    """Shape k and scale sigma of each column; NaN where a quarter of the column is 0.

    Args:
        excess: in ascending order, not negative, shape (exceedances, rows).
    """
    k, log_sigma = _fit_logs(excess.log())
    return k, log_sigma.exp()


def _fit_logs(log_excess: Tensor) -> tuple[Tensor, Tensor]:
    """Shape k and log sigma from logarithms of the excesses.

    Zhang and Stephens' estimate is the posterior mean of b = k / sigma over a grid; here b is in
    units of one over the first quartile of the excesses.
    """
    count = len(log_excess)
    tried = 30 + int(count**0.5)
    steps = torch.arange(1, tried + 1, dtype=log_excess.dtype, device=log_excess.device) - 0.5
    quarter = log_excess[int(count / 4 + 0.5) - 1]
    logs = log_excess - quarter
    b = ((tried / steps).sqrt() - 1)[:, None] / 3 - (-logs[-1]).exp()
    shape = torch.stack([_mean_log1p(each, logs) for each in b])
    log_likelihood = count * ((b / shape).log() - shape - 1)
    b = (log_likelihood.softmax(0) * b).sum(0)
    shape = _mean_log1p(b, logs)
    shrunk = (count * shape + PRIOR_COUNT * PRIOR_K) / (count + PRIOR_COUNT)
    unfit = ~(quarter.isfinite() & shrunk.isfinite() & b.isfinite())
    return shrunk.masked_fill(unfit, math.nan), (shape / b).log() + quarter


def _mean_log1p(b: Tensor, logs: Tensor) -> Tensor:
    """Mean over the excesses of log(1 + b exp(logs)); b (rows,), logs (exceedances, rows)."""
    rising = torch.nn.functional.softplus(b.clamp(min=0).log() + logs)
    falling = torch.log1p(b.clamp(max=0) * logs.exp().nan_to_num(posinf=0.0))
    return torch.where(b > 0, rising, falling).mean(0)


def smoothed(log_w: Tensor) -> tuple[Tensor, Tensor]:
    """Pareto-smoothed log-weights, and k of each row: (draws, rows) and (rows,).

    The weights of the tail are replaced by the expected order statistics of the fitted
    distribution, truncated at the largest weight that was drawn. A row without a tail to fit
    keeps its weights; its k is NaN.

    Args:
        log_w: log-weights, shape (draws, rows).

    Raises:
        ValueError: for too few draws to have a tail.
    """
    tail = fit_tail(log_w)
    if tail is None:
        raise ValueError(few_draws(len(log_w)))
    largest, order = log_w.double().max(0).values, log_w.argsort(0)
    rank = torch.arange(tail.exceedances, dtype=torch.float64, device=log_w.device) + 0.5
    log_tail = -torch.log1p(-rank / tail.exceedances)[:, None]  # -log(1 - p)
    k = tail.k.where(tail.k.abs() > 1e-6, 1e-6)
    excess = tail.log_sigma + torch.expm1(k * log_tail).div(k).log()
    expected = torch.logaddexp(tail.cut.log().expand_as(excess), excess).clamp(max=0) + largest
    new = log_w.double().scatter(0, order[-tail.exceedances :], expected)
    return torch.where(tail.k.isfinite(), new, log_w.double()).to(log_w), tail.k


def few_draws(draws: int) -> str:
    """The sentence that says why no tail can be fitted to so few weights."""
    return f"Expected at least 21 draws to fit the tail of the weights; got {draws}. Raise draws."


def variance_of_mean_excess(tail: Tail) -> Tensor:
    """V of the module's docstring: M times the variance of the mean excess, (rows,)."""
    k = tail.k.clamp(max=LARGEST_K)
    return tail.sigma**2 * (1 + k) * (1 - k + 2 * k**2) / (1 - k) ** 4
