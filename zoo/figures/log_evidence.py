"""Importance-sampled log p(x) from all draws."""

import torch
from torch import Tensor

from zoo.figures.figure import PerRow
from zoo.figures.pareto import Tail, fit_tail, variance_of_mean_excess
from zoo.traces import log_mean_exp


def log_evidence(log_w: Tensor) -> PerRow:
    """Log of the mean weight and its standard error, nats.

    The error is the larger of two, both by the delta method: that of the weights' own variance,
    and that with their tail's variance taken from a generalised Pareto distribution (see
    :mod:`zoo.figures.pareto`), which knows of weights that were not drawn. It is made so that
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
