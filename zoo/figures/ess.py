"""Effective sample size of the importance weights. Kong 1992."""

import torch
from torch import Tensor

from zoo.figures.figure import PerRow


def effective_sample_size(log_w: Tensor) -> PerRow:
    """(sum w)^2 / sum w^2 in draws, and its jackknife standard error.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    draws = len(log_w)
    w = (log_w - log_w.logsumexp(0)).exp()
    squares = w**2
    others = (squares.sum(0) - squares).clamp(min=torch.finfo(w.dtype).tiny)
    left_out = draws / (draws - 1) * (1 - w) ** 2 / others
    return 1 / squares.sum(0), ((draws - 1) * left_out.var(0, correction=0)).sqrt()
