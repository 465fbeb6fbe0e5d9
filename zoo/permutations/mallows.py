"""The Mallows distribution: permutations near a centre, by the number of pairs out of order.

    P(pi) = exp(-theta d(pi, c)) / Z,   Z = prod_{j=1..n} sum_{k=0..j-1} exp(-theta k),

with d Kendall's distance: the number of pairs of items whose order in pi is not that in c. The
distance is a sum of n independent numbers V_j in 0 .. j-1, so that Z is known in closed form and
a draw inserts one item after the other.

Sources: Mallows 1957, "Non-null ranking models", Biometrika; repeated insertion by Doignon, Pekec
and Regenwetter 2004, "The repeated insertion model for rankings", Psychometrika.
"""

from typing import Any

import torch
from torch import Tensor

from zoo.permutations.distribution import OverPermutations
from zoo.permutations.insertion import inserted, late_items


class Mallows(OverPermutations):
    """Permutations near a centre.

    Args:
        centre: the most likely permutation c, int64, shape (*batch, n).
        concentration: theta >= 0, shape (*batch); 0 for the uniform distribution.
    """

    def __init__(self, centre: Tensor, concentration: Tensor) -> None:
        batch = torch.broadcast_shapes(centre.shape[:-1], concentration.shape)
        self.centre = centre.expand(*batch, centre.shape[-1])
        self.concentration = concentration.expand(batch)
        super().__init__(centre.shape[-1], batch)

    @property
    def device(self) -> torch.device:
        """Of the centre."""
        return self.centre.device

    def expand(self, batch_shape: Any, _instance: object = None) -> "Mallows":
        """The same with another batch shape."""
        shape = torch.Size(batch_shape)
        return Mallows(self.centre.expand(*shape, self.items), self.concentration.expand(shape))

    @property
    def log_chances(self) -> Tensor:
        """Log-probability of V_j = k in row j - 1 and column k, minus infinity for k >= j."""
        k = torch.arange(self.items, device=self.device)
        weight = -self.concentration[..., None, None] * k
        return weight.masked_fill(k > k[:, None], -torch.inf).log_softmax(-1)

    def score(self, value: Tensor) -> Tensor:
        """Log-probabilities, nats: (..., n) -> (...)."""
        return self.log_chances[..., 0].sum(-1) - self.concentration * kendall(value, self.centre)

    def draw(self, shape: torch.Size) -> Tensor:
        """Item after item is put into its order, V_j places from the end, then named by c."""
        place = inserted(late_items(self.log_chances.expand(*shape, self.items, self.items)))
        return place.gather(-1, self.centre.expand(place.shape))


def kendall(a: Tensor, b: Tensor) -> Tensor:
    """Kendall's distance: number of pairs in another order, int64, (..., n) each -> (...)."""
    one, two = (value.unsqueeze(-1) < value.unsqueeze(-2) for value in (a, b))
    return (one != two).triu(1).sum((-2, -1))
