"""A faster form of a function of tensors: traced once, and checked at a second point."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from zoo.torch_private import make_fx

Values = tuple[Tensor, ...]
Function = Callable[..., Any]  # takes values and returns values

LARGEST_DIFFERENCE = 1e3  # units in the last place, from summing in another order


def traced(
    plain: Function,
    example: Values,
    elsewhere: Values,
    inside: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Function:
    """The same function as one graph of tensor operations, or the function itself.

    Args:
        plain: the function; it takes tensors and returns tensors.
        example: arguments to trace it with.
        elsewhere: other arguments of the same shapes, with which the two are compared.
        inside: makes a context in which it is traced, and not compared.

    Returns:
        The graph; `plain` where it cannot be traced, or where the two differ, as tracing may have
        frozen a value that depends on the arguments.
    """
    try:
        # not a bound method itself: make_fx counts its `self` as an argument
        with inside():
            graph = make_fx(lambda *args: plain(*args))(*example)
        graph.graph.eliminate_dead_code()
        graph.recompile()
        pairs = list(zip(graph(*elsewhere), plain(*elsewhere), strict=True))
    except Exception:  # noqa: BLE001  a model may fail to trace in any way, and still run
        return plain
    return graph if all(_same(*pair) for pair in pairs) else plain


def _same(one: Tensor, other: Tensor) -> bool:
    limit = LARGEST_DIFFERENCE * torch.finfo(one.dtype).eps
    return torch.allclose(one, other, rtol=limit, atol=limit, equal_nan=True)
