"""Joint states drawn without replacement, and the chances of sets of such draws.

A set S of k states comes out of k draws without replacement from p, in any order. With r the
probability of all states outside of S and p(B) that of a set B,

    g(B) = sum_{b in B} p(b) / (r + p(B)) g(B without b),    g(empty) = 1,

is the chance that the states of B come before all those outside of S. g(S) is the chance of S,
g(S without s) that of the rest of S in a world without s, and so on.
Source: Kool, van Hoof & Welling 2020, "Ancestral Gumbel-top-k sampling for sampling without
replacement"; the same authors 2020, "Estimating gradients for discrete random variables by
sampling without replacement", appendix, for the chances.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor


class Beams(NamedTuple):
    """Partial states of each row, side by side.

    Attributes:
        log_p: log-probability of each, nats, shape (beams, rows).
        height: its perturbed log-probability, the largest of all that begin as it does.
    """

    log_p: Tensor
    height: Tensor


def sample_states(log_q: Sequence[Tensor], count: int) -> tuple[Tensor, list[Tensor]]:
    """Draws `count` different joint states of independent elements, for each row.

    Elements are added one after another, and the `count` highest partial states are kept
    (stochastic beam search), so that joint states are never enumerated.

    Args:
        log_q: of each element the log-probabilities of its classes, constants, (rows, classes).
        count: at most the number of joint states.

    Returns:
        Log-probability of each state, nats, (count, rows), and the class of each element, int64,
        (count, rows).
    """
    rows = log_q[0].shape[0]
    beams = Beams(log_q[0].new_zeros(1, rows), log_q[0].new_zeros(1, rows))
    levels = []
    for one in log_q:
        beams, index = _extended(beams, one, count)
        levels.append((index // one.shape[-1], index % one.shape[-1]))
    place = torch.arange(count, device=log_q[0].device)[:, None].expand(count, rows)
    chosen = []
    for parent, value in reversed(levels):
        chosen.append(value.gather(0, place))
        place = parent.gather(0, place)
    return beams.log_p, chosen[::-1]


def _extended(beams: Beams, log_q: Tensor, count: int) -> tuple[Beams, Tensor]:
    """The highest `count` of all beams with a class added; which they are, beam by beam."""
    log_p = beams.log_p[..., None] + log_q
    height = conditioned(log_p, beams.height)
    log_p, height = (v.transpose(1, 2).flatten(0, 1) for v in (log_p, height))
    index = height.topk(min(count, len(height)), dim=0).indices
    return Beams(log_p.gather(0, index), height.gather(0, index)), index


def conditioned(log_p: Tensor, largest: Tensor) -> Tensor:
    """Gumbel noise about log_p, (..., classes), given the largest of each, (...)."""
    free = log_p + gumbel_like(log_p)
    below = free - free.max(-1, keepdim=True).values
    largest = largest[..., None]
    v = largest - free + torch.log1p(-below.exp())
    return largest - v.relu() - torch.log1p(torch.exp(-v.abs()))


def gumbel_like(value: Tensor) -> Tensor:
    """Independent draws of the standard Gumbel distribution, shaped as a tensor."""
    least, below_one = torch.finfo(value.dtype).tiny, 1 - torch.finfo(value.dtype).eps
    return -(-torch.rand_like(value).clamp(least, below_one).log()).log()


class SetChances(NamedTuple):
    """Log g(B) of every subset B of the states drawn.

    Attributes:
        table: nats, shape (subsets, rows).
        place: where each subset stands in it.
    """

    table: Tensor
    place: dict[frozenset[int], int]

    def of(self, sets: Sequence[frozenset[int]]) -> Tensor:
        """Log g of these, nats, shape (sets, rows)."""
        return self.table[[self.place[one] for one in sets]]


def log_set_chances(log_p: Tensor, log_rest: Tensor) -> SetChances:
    """The chances of all subsets of the states drawn, the small ones first.

    Args:
        log_p: log-probability of each state, nats, shape (states, rows).
        log_rest: that of all other states together, shape (rows,).
    """
    found = SetChances(torch.zeros_like(log_rest)[None], {frozenset(): 0})
    for size in range(1, len(log_p) + 1):
        subsets = list(combinations(range(len(log_p)), size))
        members = log_p[torch.tensor(subsets, device=log_p.device)]
        without = [frozenset(one) - {b} for one in subsets for b in one]
        first = members + found.of(without).unflatten(0, (len(subsets), size))
        mass = torch.logaddexp(log_rest, members.logsumexp(1))
        start = len(found.place)
        found.place.update({frozenset(one): start + i for i, one in enumerate(subsets)})
        table = torch.cat((found.table, first.logsumexp(1) - mass))
        found = SetChances(table, found.place)
    return found
