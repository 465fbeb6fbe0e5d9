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
        sigma: scale; 0 where it is too small for a float64. (rows,)
        cut: u, the largest weight that is not in the tail. (rows,)
        exceedances: M, their number.
        log_sigma: the logarithm of sigma, which is never too small. (rows,)
    """

    k: Tensor
    sigma: Tensor
    cut: Tensor
    exceedances: int
    log_sigma: Tensor


def fit_tail(log_w: Tensor) -> Tail | None:
    """Fits the largest min(S / 5, 3 sqrt(S)) of S weights; None for fewer than 5 of them.

    Weights that differ by hundreds of nats have no common floating-point unit, so all of it is
    done in logarithms.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    draws = len(log_w)
    count = tail_length(draws)
    if count < FEWEST:
        return None
    ordered = (log_w.double() - log_w.double().max(0).values).sort(0).values
    cut = ordered[-count - 1]
    log_excess = ordered[-count:] + torch.log(-torch.expm1(cut - ordered[-count:]))
    k, log_sigma = _fit_logs(log_excess)
    return Tail(k, log_sigma.exp(), cut.exp(), count, log_sigma)


def tail_length(draws: int) -> int:
    """How many of that many weights make the tail."""
    return math.ceil(min(draws / 5, 3 * draws**0.5))


def fit_pareto(excess: Tensor) -> tuple[Tensor, Tensor]:
    """Shape k and scale sigma of each column; NaN where a quarter of it is 0.

    Args:
        excess: in ascending order, none below 0, shape (exceedances, rows).
    """
    k, log_sigma = _fit_logs(excess.log())
    return k, log_sigma.exp()


def _fit_logs(log_excess: Tensor) -> tuple[Tensor, Tensor]:
    """Shape k and log sigma from logarithms of the excesses.

    The posterior mean of b = k / sigma over a grid, in units of the first quartile of the excess.
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

    The tail's weights are replaced by what the fitted distribution expects of so many, none above
    the largest that was drawn. A row without a tail to fit is left as it is; its k is NaN.

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
    """Why there is no tail to fit to so few weights."""
    return f"Expected at least 21 draws to fit the tail of the weights; got {draws}. Raise draws."


def variance_of_mean_excess(tail: Tail) -> Tensor:
    """V above, the variance of the mean excess times the exceedances: (rows,)."""
    k = tail.k.clamp(max=HEAVIEST)
    return tail.sigma**2 * (1 + k) * (1 - k + 2 * k**2) / (1 - k) ** 4
