"""Importance-sampled log p(x) from all draws."""

from torch import Tensor

from zoo.figures.figure import PerRow
from zoo.traces import log_mean_exp


def log_evidence(log_w: Tensor) -> PerRow:
    """Log of the mean weight and its standard error by the delta method, nats.

    It lies below log p(x) in expectation, by about half its squared error; where k-hat is high
    the error is too small and the estimate too low.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    draws = len(log_w)
    w = (log_w - log_w.logsumexp(0)).exp()
    relative_variance = (draws * (w**2).sum(0) - 1).clamp(min=0)
    return log_mean_exp(log_w), (relative_variance / (draws - 1)).sqrt()
