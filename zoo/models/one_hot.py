"""Moments of one-hot vectors."""

import torch
from torch import Tensor


def one_hot_moments(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each element of a one-hot vector.

    The chance 1 - p_k of the others is summed, not subtracted: where p_k rounds to 1 the standard
    deviation stays above 0.

    Args:
        logits: log-probabilities of the K classes up to a constant, shape (..., K).

    Returns:
        Mean and standard deviation, each of shape (..., K).
    """
    mean = logits.softmax(-1)
    others = mean @ (1 - torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device))
    return mean, (mean * others).sqrt()
