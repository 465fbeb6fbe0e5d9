"""The support "a permutation", and all permutations of a few items in order.

A permutation pi of n items is an int64 vector of the numbers 0 .. n-1, each once: pi_i is the
place of item i. As a matrix it has a one at (i, pi_i) of each row i.
"""

import math
from itertools import permutations

import torch
from torch import Tensor
from torch.distributions.constraints import Constraint

MOST_ITEMS = 6  # 6! = 720 permutations, and one more item takes seven times as many


class Permutation(Constraint):
    """Vectors of 0 .. n-1 in some order."""

    is_discrete = True
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        """Which vectors are permutations: (..., n) -> (...)."""
        in_order = torch.arange(value.shape[-1], device=value.device)
        return (value.sort(-1).values == in_order).all(-1)


permutation = Permutation()


def every_permutation(items: int, device: torch.device | None = None) -> Tensor:
    """All permutations in lexicographic order: 012, 021, 102, ...

    Args:
        items: number of items n.
        device: where to lay them out.

    Returns:
        int64, shape (n!, n).

    Raises:
        ValueError: for more than 6 items.
    """
    sentence = too_many_items(items)
    if sentence:
        raise ValueError(f"{sentence} Use fewer items, or draws.")
    return torch.tensor(list(permutations(range(items))), device=device)


def too_many_items(items: int) -> str | None:
    """Why the permutations of so many items are not summed over; None if they are."""
    if items <= MOST_ITEMS:
        return None
    return (
        f"Expected at most {MOST_ITEMS} items, which have {math.factorial(MOST_ITEMS)} "
        f"permutations, to sum over; got {items}, which have {items}! = {_count(items)}."
    )


def _count(items: int) -> str:
    size = math.factorial(items)
    return str(size) if size < 10**9 else f"about 10^{len(str(size)) - 1}"


def number_of(value: Tensor) -> Tensor:
    """The places of permutations in the order of :func:`every_permutation`: (..., n) -> (...)."""
    items = value.shape[-1]
    later_and_lower = (value.unsqueeze(-2) < value.unsqueeze(-1)).triu(1)
    weights = [math.factorial(items - 1 - i) for i in range(items)]
    return (later_and_lower.sum(-1) * torch.tensor(weights, device=value.device)).sum(-1)


def as_matrix(pi: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """The permutation as a matrix; a relaxed one, which is a matrix already, as it is.

    Args:
        pi: int64 of shape (..., n), or a doubly stochastic matrix of shape (..., n, n).
        dtype: of the result, for integers; torch's default if None.

    Returns:
        Shape (..., n, n), with a one at (i, pi_i).
    """
    if pi.is_floating_point():
        return pi
    places = torch.arange(pi.shape[-1], device=pi.device)
    return (pi.unsqueeze(-1) == places).to(dtype or torch.get_default_dtype())
