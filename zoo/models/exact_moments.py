"""Moments of a mixture, as a quadrature gives a posterior."""

import torch
from torch import Tensor


def mixture_moments(
    weights: Tensor, means: Tensor, variances: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of a mixture.

    Args:
        weights: of the T components, summing to one, shape (T,).
        means: of the components, shape (T, ...).
        variances: of the components, shape (T, ...).
        dtype: of the answer.

    Returns:
        Mean and standard deviation, each of shape (...).
    """
    mean = torch.tensordot(weights, means, dims=1)
    variance = torch.tensordot(weights, variances + (means - mean).square(), dims=1)
    return mean.to(dtype), variance.sqrt().to(dtype)
