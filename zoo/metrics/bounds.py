"""Log importance weights -> bounds of log p(x) from below and above, and an estimate of it.

Sources: Jordan et al. 1999 (ELBO); Burda, Grosse & Salakhutdinov 2016 (K particles); Dieng, Tran,
Ranganath, Paisley & Blei 2017 (CUBO).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.metrics.means import mean_of_draws
from zoo.metrics.metric import PerRow
from zoo.metrics.pareto import Tail, fit_tail, variance_of_mean_excess
from zoo.traces import log_mean_exp


@dataclass(frozen=True)
class ImportanceBound:
    """The mean over groups of K draws of log(1/K sum_k w_k)."""

    particles: int

    def __call__(self, log_w: Tensor) -> PerRow:
        """The bound and its standard error, nats; log_w (draws, rows) -> (rows,) each.

        Raises:
            ValueError: if the draws do not make at least two groups.
        """
        groups = len(log_w) // self.particles
        if groups < 2:
            raise ValueError(
                f"Expected at least {2 * self.particles} draws for two groups of K = "
                f"{self.particles}; got {len(log_w)}. Raise draws or lower K."
            )
        grouped = log_w[: groups * self.particles].unflatten(0, (self.particles, groups))
        return mean_of_draws(log_mean_exp(grouped))


def elbo(log_w: Tensor) -> PerRow:
    """E_q[log w] and its standard error, nats; log_w (draws, rows) -> (rows,) each."""
    return mean_of_draws(log_w)


def log_evidence(log_w: Tensor) -> PerRow:
    """Log of the mean weight and its standard error, nats.

    Two standard errors are computed by the delta method, and the larger one is returned: one from
    the variance of the weights, and one in which the variance of the largest weights comes from a
    generalised Pareto distribution fitted to them (see :mod:`zoo.metrics.pareto`), which allows
    for weights larger than any that was drawn. The second is conservative, up to twice the
    standard deviation of the estimate, so that intervals contain log p(x) as often as they claim.

    The expectation of the estimate is below log p(x), by at most about half the squared standard
    error, and by a sixth of that where the second error is the larger. Where k-hat is above its
    threshold, neither the estimate nor its error can be trusted.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    draws = len(log_w)
    w = (log_w - log_w.logsumexp(0)).exp()
    relative_variance = (draws * (w**2).sum(0) - 1).clamp(min=0)
    variance = relative_variance / (draws - 1)
    tail = fit_tail(log_w)
    if tail is not None:
        with_tail = _variance_with_tail(log_w, tail).to(variance).nan_to_num(nan=0.0)
        variance = torch.maximum(variance, with_tail)
    return log_mean_exp(log_w), variance.sqrt()


def chi_upper_bound(log_w: Tensor) -> PerRow:
    """CUBO_2 = 1/2 log E_q[w^2], at least log p(x), and its standard error, nats.

    Estimate and error are half of those of :func:`log_evidence` for the squared weights, whose
    k-hat is twice that of the weights. The expectation of the estimate is below CUBO_2, by at most
    about the squared standard error: it is an upper bound where that error is small.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    value, error = log_evidence(2 * log_w)
    return value / 2, error / 2


def _variance_with_tail(log_w: Tensor, tail: Tail) -> Tensor:
    """Relative variance of the mean weight: within the body, within the tail, between them."""
    draws = len(log_w)
    w = (log_w.double() - log_w.double().max(0).values).exp()
    body = w.sort(0).values[: draws - tail.exceedances]
    share = tail.exceedances / draws
    mean_excess = w.mean(0) / share - body.mean(0) * (1 - share) / share - tail.cut
    apart = tail.cut + mean_excess - body.mean(0)
    within = (1 - share) * body.var(0) + share * variance_of_mean_excess(tail)
    return (within + share * (1 - share) * apart**2) / (draws * w.mean(0) ** 2)
