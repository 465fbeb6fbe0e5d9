"""Effective sample size of the importance weights. Kong 1992."""

from torch import Tensor

from zoo.figures.figure import PerRow

BATCHES = 10


def effective_sample_size(log_w: Tensor) -> PerRow:
    """(sum w)^2 / sum w^2 in draws, and its standard error by batches of the draws.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    size = len(log_w) // BATCHES
    batches = log_w[: size * BATCHES].unflatten(0, (BATCHES, size))
    spread = _ess(batches.transpose(0, 1)) * BATCHES
    return _ess(log_w), spread.std(0) / BATCHES**0.5


def _ess(log_w: Tensor) -> Tensor:
    return (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp()
