"""Bounds on log p(x) from log importance weights: the ELBO, the bound of K particles, log p(x).

Sources: Jordan et al. 1999 (ELBO); Burda, Grosse & Salakhutdinov 2016 (K particles).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

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
        return mean_of_groups(log_mean_exp(grouped))


def mean_of_groups(bounds: Tensor) -> PerRow:
    """The mean of independent groups' bounds and its standard error; (groups, rows)."""
    return bounds.mean(0), bounds.std(0) / len(bounds) ** 0.5


def elbo(log_w: Tensor) -> PerRow:
    """E_q[log w] and its standard error, nats; log_w (draws, rows) -> (rows,) each."""
    return mean_of_groups(log_w)


def log_evidence(log_w: Tensor) -> PerRow:
    """Log of the mean weight and its standard error, nats.

    The error is the larger of two, both by the delta method: that of the weights' own variance,
    and that with their tail's variance taken from a generalised Pareto distribution (see
    :mod:`zoo.metrics.pareto`), which knows of weights that were not drawn. It is made so that
    intervals hold the truth: where the tail decides it, it is up to twice the standard deviation
    of the estimate. The estimate lies below log p(x) in expectation, by no more than about half
    its squared error, and by a sixth of that where the error is so wide. Above the threshold of
    k-hat neither is to be trusted.

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


def _variance_with_tail(log_w: Tensor, tail: Tail) -> Tensor:
    """Relative variance of the mean weight: of the body, of the tail, and between the two."""
    draws = len(log_w)
    w = (log_w.double() - log_w.double().max(0).values).exp()
    body = w.sort(0).values[: draws - tail.exceedances]
    share = tail.exceedances / draws
    mean_excess = w.mean(0) / share - body.mean(0) * (1 - share) / share - tail.cut
    apart = tail.cut + mean_excess - body.mean(0)
    within = (1 - share) * body.var(0) + share * variance_of_mean_excess(tail)
    return (within + share * (1 - share) * apart**2) / (draws * w.mean(0) ** 2)
