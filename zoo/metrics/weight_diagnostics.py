"""May importance weights be trusted? Pareto k-hat, effective sample size, the largest weight.

k-hat measures how heavy the tail of the weights is. For S draws its threshold is
min(1 - 1 / log10 S, 0.7). Below it, importance sampling from the guide can be trusted; above it,
the guide misses a part of the posterior that matters.
Sources: Yao et al. 2018, "Yes, but did it work?"; Vehtari et al. 2024, "Pareto smoothed importance
sampling"; Kong 1992, "A note on importance sampling using standardized weights" (effective sample
size); Chatterjee & Diaconis 2018, "The sample size required in importance sampling" (largest
weight).
"""

import math

import torch
from torch import Tensor

from zoo.metrics.metric import PerRow
from zoo.metrics.pareto import fit_tail, tail_length

TIES_AT_TOP = 5  # from so many draws with the largest weight on, the latent has few states
SHARE_OF_TIES = 0.5  # beyond this share of large weights equal to the next, likewise
EQUAL = 1e-6  # nats; a smaller range of log-weights counts as none
TIED = "the largest weights are of few states, so no tail can be fitted; see ess, largest_weight"
ROUNDING = 16  # units in the last place; weights that are closer count as equal


def k_hat(log_w: Tensor, *, discrete: bool = True) -> PerRow:
    """k-hat of each row, and its asymptotic standard error (1 + k) / sqrt(tail length).

    It is -1 where all weights are equal. It is NaN where the largest weight occurs several times
    or most of the largest weights are equal, as with few discrete states: such weights have no
    tail to fit, and they say nothing about states that were not drawn. It is infinite for fewer
    than 21 draws.

    Args:
        log_w: log-weights, shape (draws, rows).
        discrete: is a discrete latent drawn, so that equal weights mean few states? If all that is
            drawn is continuous, nearly equal weights only mean that log w has a smooth maximum.
    """
    tail = fit_tail(log_w)
    if tail is None:
        return torch.full_like(log_w[0], math.inf), torch.zeros_like(log_w[0])
    values = tail.k.nan_to_num(nan=math.inf)
    if discrete:
        values = values.masked_fill(tied(log_w), math.nan)
    values = values.masked_fill(equal(log_w), -1.0).to(log_w)
    errors = (1 + values).clamp(min=0) / min(0.2 * len(log_w), 3 * len(log_w) ** 0.5) ** 0.5
    return values, torch.where(values.isfinite(), errors, 0.0)


def equal(log_w: Tensor) -> Tensor:
    """Marks rows whose weights are all equal up to rounding; (draws, rows) -> (rows,)."""
    top = log_w.max(0).values
    return top - log_w.min(0).values <= (ROUNDING * _last_digit(log_w)).clamp(min=EQUAL)


def tied(log_w: Tensor) -> Tensor:
    """Marks rows whose largest weights are those of a few discrete states.

    They are rows in which the largest weight occurs several times, or most of the largest weights
    equal the next one.

    Args:
        log_w: log-weights, shape (draws, rows).

    Returns:
        Bool, shape (rows,).
    """
    digit = _last_digit(log_w)
    several = (log_w >= log_w.max(0).values - ROUNDING * digit).sum(0) >= TIES_AT_TOP
    tail = log_w.sort(0, descending=True).values[: tail_length(len(log_w)) + 1]
    alike = (tail[:-1] - tail[1:] <= digit).double().mean(0)
    return several | (alike > SHARE_OF_TIES)


def _last_digit(log_w: Tensor) -> Tensor:
    """The unit in the last place of each row's largest log-weight, nats, shape (rows,)."""
    return torch.finfo(log_w.dtype).eps * log_w.max(0).values.abs().clamp(min=1)


def k_hat_threshold(draws: int) -> float:
    """The largest k-hat at which the weights of that many draws can be trusted."""
    return min(1 - 1 / math.log10(draws), 0.7)


def k_hat_share(log_w: Tensor, *, discrete: bool = True) -> PerRow:
    """1 for each row whose k-hat is above the threshold, 0 for others, NaN where k-hat is NaN.

    The standard error of each row is 0; that of the share of rows is binomial.
    """
    values, _ = k_hat(log_w, discrete=discrete)
    high = (values > k_hat_threshold(len(log_w))).to(log_w.dtype)
    return high.masked_fill(values.isnan(), math.nan), torch.zeros_like(high)


def effective_sample_size(log_w: Tensor) -> PerRow:
    """Effective sample size (sum w)^2 / sum w^2 of each row, and its jackknife standard error.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    draws = len(log_w)
    w = (log_w - log_w.logsumexp(0)).exp()
    squares = w**2
    rest = (squares.sum(0) - squares).clamp(min=torch.finfo(w.dtype).tiny)
    left_out = ((1 - w) ** 2 / rest).scatter(0, *_without_the_largest(log_w))
    errors = draws / (draws - 1) * ((draws - 1) * left_out.var(0, correction=0)).sqrt()
    return 1 / squares.sum(0), errors


def _without_the_largest(log_w: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the largest weight, and the effective size of the others, shape (1, rows) each.

    One minus a weight near 1 is rounding error, so the others are normalised anew. Their size is
    0 where all of them are 0.
    """
    largest = log_w.argmax(0, keepdim=True)
    others = log_w.scatter(0, largest, -math.inf)
    total = others.logsumexp(0, keepdim=True)
    size = 1 / (others - total).exp().pow(2).sum(0, keepdim=True)
    return largest, size.masked_fill(total == -math.inf, 0.0)


def largest_weight(log_w: Tensor) -> PerRow:
    """max_s w_s / sum_s w_s of each row; its error is 0, since it describes the given draws.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    share = (log_w.max(0).values - log_w.logsumexp(0)).exp()
    return share, torch.zeros_like(share)
