"""The matrix by which a linear recursion of first order is one product."""

import torch
from torch import Tensor


def powers_of(factor: Tensor, size: int) -> Tensor:
    """The matrix A with A[t, j] = factor^(t - j) for j <= t, else 0.

    The recursion h_t = factor h_{t-1} + v_t with h_{-1} = 0 has the solution h = A v.

    Args:
        factor: shape (..., 1).
        size: T.

    Returns:
        Shape (..., T, T).
    """
    times = torch.arange(size, dtype=factor.dtype, device=factor.device)
    lag = times[:, None] - times
    return torch.where(lag >= 0, factor[..., None] ** lag.clamp(min=0), 0.0)
