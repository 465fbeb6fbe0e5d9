"""Repeated insertion: place after place, its item is put into the order of those before it.

    P(pi) = prod_{j=0..n-1} P_j(V_j),   V_j in 0 .. j,

with V_j the number of places before place j that hold an item of a higher number. The V_j are
independent, and give the permutation and are given by it, so that the normaliser is a product of
n sums. P_j(k) proportional to exp(-theta k) is the Mallows distribution about the identity.

Counted by places, as here, V_j compares what was seen in one place with what was seen in the
places before it. Counted by items it would ask first where each item is.

Source: Doignon, Pekec and Regenwetter 2004, "The repeated insertion model for rankings: missing
link between two subset choice models", Psychometrika.
"""

from typing import Any

import torch
from torch import Tensor

from zoo.permutations.distribution import OverPermutations


class RepeatedInsertion(OverPermutations):
    """Permutations by independent numbers of items that are overtaken, place by place.

    Args:
        scores: log-weight of V_j = k in row j and column k, up to a constant for each row; those
            with k > j are not read. Shape (*batch, n, n).
    """

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores
        super().__init__(scores.shape[-1], scores.shape[:-2])

    @property
    def device(self) -> torch.device:
        """Of the scores."""
        return self.scores.device

    def expand(self, batch_shape: Any, _instance: object = None) -> "RepeatedInsertion":
        """The same with another batch shape."""
        return RepeatedInsertion(self.scores.expand(*batch_shape, self.items, self.items))

    @property
    def log_chances(self) -> Tensor:
        """Log-probability of V_j = k in row j and column k, minus infinity for k > j."""
        k = torch.arange(self.items, device=self.device)
        return self.scores.masked_fill(k > k[:, None], -torch.inf).log_softmax(-1)

    def score(self, value: Tensor) -> Tensor:
        """Log-probabilities, nats: (..., n) -> (...)."""
        late = overtaken(value.argsort(-1)).unsqueeze(-1)
        chances = self.log_chances
        shape = torch.broadcast_shapes(late.shape[:-1], chances.shape[:-1])
        each = chances.expand(*shape, self.items).gather(-1, late.expand(*shape, 1))
        return each.squeeze(-1).sum(-1)

    def draw(self, shape: torch.Size) -> Tensor:
        """Every V_j by its distribution, then the items in order that they give."""
        late = late_items(self.log_chances.expand(*shape, self.items, self.items))
        return inserted(late).argsort(-1)


def late_items(log_chances: Tensor) -> Tensor:
    """Draws of V_0, ..., V_{n-1} of these log-probabilities, int64: (..., n, n) -> (..., n)."""
    chances = log_chances.exp()
    u = torch.rand_like(chances[..., :1])
    late = (u >= chances.cumsum(-1)[..., :-1]).sum(-1)
    return late.minimum(torch.arange(late.shape[-1], device=late.device))


def inserted(late: Tensor) -> Tensor:
    """The permutation in which item j overtakes V_j of the items before it: (..., n) each."""
    place = late[..., :0]
    for j in range(late.shape[-1]):
        new = j - late[..., j : j + 1]
        place = torch.cat([place + (place >= new), new], dim=-1)
    return place


def overtaken(value: Tensor) -> Tensor:
    """V_j of a permutation: how many items before item j come later, int64, (..., n) each."""
    return (value.unsqueeze(-1) < value.unsqueeze(-2)).tril(-1).sum(-1)
