"""Roots of increasing functions: how a flow without a closed inverse scores a draw it is given."""

from collections.abc import Callable

import torch
from torch import Tensor

PARTS_OF_INTERVAL = 16
SEARCH_ROUNDS = 4
NEWTON_STEPS = 4

Increasing = Callable[[Tensor], tuple[Tensor, Tensor]]


def root(increasing: Increasing, value: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The x between `low` and `high` with f(x) = value, as a differentiable function.

    A fixed number of tensor operations, so that a step with it can be captured: each round of the
    search keeps one of sixteen parts of the interval, Newton steps then reach rounding error, and
    a last one has the gradient of the implicit function theorem, dx = (d value - df) / f'.

    Args:
        increasing: x -> f(x) and f'(x), elementwise; takes further dimensions in front.
        value: what f is to be, any shape.
        low: where f is at most the value, same shape.
        high: where f is at least the value, same shape.
    """
    with torch.no_grad():
        x = _search(increasing, value, low, high)
        slope = increasing(x)[1]
    return x + (value - increasing(x)[0]) / slope


def _search(increasing: Increasing, value: Tensor, low: Tensor, high: Tensor) -> Tensor:
    inner = torch.arange(1, PARTS_OF_INTERVAL, dtype=value.dtype, device=value.device)
    inner = inner.reshape(-1, *[1] * value.dim())
    for _ in range(SEARCH_ROUNDS):
        width = (high - low) / PARTS_OF_INTERVAL
        below = increasing(low + width * inner)[0] < value
        low = low + width * below.to(value.dtype).sum(0)
        high = low + width
    x = (low + high) / 2
    for _ in range(NEWTON_STEPS):
        found, slope = increasing(x)
        x = torch.minimum(torch.maximum(x + (value - found) / slope, low), high)
    return x


def tanh_root(value: Tensor, outer: Tensor, inner: Tensor, shift: Tensor) -> Tensor:
    """The x with x + outer tanh(inner x + shift) = value, where outer inner > -1; any shape."""

    def increasing(x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(inner * x + shift)
        return x + outer * h, 1 + outer * inner * (1 - h**2)

    value, outer, inner, shift = torch.broadcast_tensors(value, outer, inner, shift)
    return root(increasing, value, value - outer.abs(), value + outer.abs())
