"""The Plackett-Luce distribution: places are taken one after the other.

    P(pi) = prod_i exp(s_{pi_i}) / sum_{k >= i} exp(s_{pi_k}).

Item 0 takes place j with a probability proportional to exp(s_j), item 1 one of the places that
are left, and so on. Sorting s + Gumbel noise, largest first, gives an exact draw.

Sources: Plackett 1975, "The analysis of permutations"; Luce 1959, "Individual choice behavior";
the draw by Yellott 1977, "The relationship between Luce's choice axiom, Thurstone's theory ...".
"""

from typing import Any

import torch
from torch import Tensor

from zoo.permutations.distribution import OverPermutations


class PlackettLuce(OverPermutations):
    """A race of places for items.

    Args:
        scores: log-weights s of the places, up to a constant, shape (*batch, n).
    """

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores
        super().__init__(scores.shape[-1], scores.shape[:-1])

    @property
    def device(self) -> torch.device:
        """Of the scores."""
        return self.scores.device

    def expand(self, batch_shape: Any, _instance: object = None) -> "PlackettLuce":
        """The same with another batch shape."""
        return PlackettLuce(self.scores.expand(*batch_shape, self.items))

    def score(self, value: Tensor) -> Tensor:
        """Log-probabilities, nats: (..., n) -> (...)."""
        value, scores = torch.broadcast_tensors(value, self.scores)
        chosen = scores.gather(-1, value)
        # row i holds the places that are left to item i
        square = (self.items, self.items)
        ahead = torch.ones(square, dtype=torch.bool, device=value.device).tril(-1)
        rows = chosen.unsqueeze(-2).expand(*chosen.shape, -1)
        left = rows.masked_fill(ahead, -torch.inf)
        return (chosen - left.logsumexp(-1)).sum(-1)

    def draw(self, shape: torch.Size) -> Tensor:
        """The order of the scores with Gumbel noise, largest first."""
        scores = self.scores.expand(*shape, self.items)
        smallest = torch.finfo(scores.dtype).tiny
        noise = -(-torch.rand_like(scores).clamp(min=smallest).log()).clamp(min=smallest).log()
        return (scores + noise).argsort(-1, descending=True)
