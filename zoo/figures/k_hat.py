"""Pareto k-hat: how heavy the tail of the importance weights is.

Below min(1 - 1 / log10 S, 0.7) for S draws, importance sampling from the guide can be trusted;
above it the guide misses a part of the posterior that matters.
Source: Yao et al. 2018, "Yes, but did it work?"; Vehtari et al. 2024, "Pareto smoothed importance
sampling".
"""

import math

import torch
from torch import Tensor

from zoo.arviz_bridge import pareto_k
from zoo.figures.figure import PerRow

ATOM = 5  # ArviZ fits no tail of fewer points
TIE = 1e-6


def k_hat(log_w: Tensor) -> PerRow:
    """k-hat of each row by ArviZ, and its asymptotic standard error (1 + k) / sqrt(tail length).

    Weights that reach their largest value several times, as those of few discrete states do, have
    no tail to fit: they count as uniform, k = -1.

    Args:
        log_w: log-weights, shape (draws, rows).
    """
    values = torch.as_tensor(pareto_k(log_w.T.cpu().numpy()), dtype=log_w.dtype)
    at_top = (log_w >= log_w.max(0).values - TIE).sum(0).cpu()
    values = torch.where(at_top >= ATOM, -1.0, values)
    tail = min(0.2 * len(log_w), 3 * len(log_w) ** 0.5)
    errors = (1 + values).clamp(min=0) / tail**0.5
    return values, torch.where(values.isfinite(), errors, 0.0)


def k_hat_threshold(draws: int) -> float:
    """The largest k-hat at which that many draws can be trusted."""
    return min(1 - 1 / math.log10(draws), 0.7)


def k_hat_share(log_w: Tensor) -> PerRow:
    """1 for each row whose k-hat is above the threshold, else 0; of a row it has no error."""
    values, _ = k_hat(log_w)
    high = (values > k_hat_threshold(len(log_w))).to(log_w.dtype)
    return high, torch.zeros_like(high)
