"""A function of tensors without Pyro's handlers: traced once, and checked elsewhere."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.torch_private import make_fx

Values = tuple[Tensor, ...]
Function = Callable[..., Any]  # takes values and returns values

DIGITS = 1e3  # in the last places of the values, between two orders of the same sums


def traced(plain: Function, example: Values, elsewhere: Values) -> Function:
    """The same function as one graph of tensor operations, if it can be had and is the same.

    Args:
        plain: the function; it takes tensors and returns tensors.
        example: arguments to trace it at.
        elsewhere: others of the same shapes, at which both must give the same values.

    Returns:
        The graph, or `plain` where it cannot be traced, or depends on values that were fixed.
    """
    try:
        # not a bound method itself: make_fx counts its `self` as an argument
        graph = make_fx(lambda *args: plain(*args))(*example)
        graph.graph.eliminate_dead_code()
        graph.recompile()
        pairs = list(zip(graph(*elsewhere), plain(*elsewhere), strict=True))
    except Exception:  # noqa: BLE001  whatever a model does that cannot be traced: it can be run
        return plain
    return graph if all(_same(*pair) for pair in pairs) else plain


def _same(one: Tensor, other: Tensor) -> bool:
    digits = DIGITS * torch.finfo(one.dtype).eps
    return torch.allclose(one, other, rtol=digits, atol=digits, equal_nan=True)
