"""A distribution with a probability of its own for each permutation of a few items.

    P(pi) = softmax(l)_pi;      by matching: l_pi = sum_i S_{i, pi_i}.

With one score S_ij for each item i in each place j, the normaliser is the permanent of exp(S),
here the sum over all n! terms. This is the posterior of a permutation whose items and places
meet in pairs, under a uniform prior.
"""

from typing import Any

import torch
from torch import Tensor

from zoo.permutations.distribution import OverPermutations
from zoo.permutations.support import every_permutation, number_of


class EachPermutation(OverPermutations):
    """Any distribution over the permutations of at most 6 items.

    Args:
        logits: log-weights of the permutations in lexicographic order, shape (*batch, n!).
        items: number of items n.
    """

    def __init__(self, logits: Tensor, items: int) -> None:
        self.logits = logits.log_softmax(-1)
        super().__init__(items, logits.shape[:-1])

    @property
    def device(self) -> torch.device:
        """Of the logits."""
        return self.logits.device

    def expand(self, batch_shape: Any, _instance: object = None) -> "EachPermutation":
        """The same with another batch shape."""
        return EachPermutation(self.logits.expand(*batch_shape, -1), self.items)

    def score(self, value: Tensor) -> Tensor:
        """Log-probabilities, nats: (..., n) -> (...)."""
        number = number_of(value)
        shape = torch.broadcast_shapes(number.shape, self.logits.shape[:-1])
        logits = self.logits.expand(*shape, -1)
        return logits.gather(-1, number.expand(shape).unsqueeze(-1)).squeeze(-1)

    def draw(self, shape: torch.Size) -> Tensor:
        """Permutations, (*shape, n)."""
        flat = self.logits.expand(*shape, -1).exp().flatten(0, -2)
        number = torch.multinomial(flat, 1).reshape(shape)
        return every_permutation(self.items, self.device)[number]


def matching(scores: Tensor) -> EachPermutation:
    """The distribution with P(pi) proportional to exp(sum_i S_{i, pi_i}).

    Args:
        scores: S_ij of item i in place j, shape (*batch, n, n).

    Raises:
        ValueError: for more than 6 items.
    """
    return EachPermutation(matched(scores), scores.shape[-1])


def matched(scores: Tensor) -> Tensor:
    """sum_i S_{i, pi_i} of every permutation: (..., n, n) -> (..., n!)."""
    items = scores.shape[-1]
    every = every_permutation(items, scores.device)
    return scores[..., torch.arange(items, device=scores.device), every].sum(-1)
