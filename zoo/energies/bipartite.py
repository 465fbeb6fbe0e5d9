"""Two sides of binary units with weights between the sides and none within.

    p(l, r) = exp( -E(l, r) ) / Z,       E(l, r) = -( a l + b r + l W r )

Given one side, the units of the other are independent, so that either side can be summed out and a
Gibbs sweep takes two matrix products. Z, the sum over all states, has no closed form.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Bipartite(NamedTuple):
    """The weights and biases of two sides of binary units.

    Attributes:
        weight: W, shape (A, B).
        left_bias: a, shape (A,).
        right_bias: b, shape (B,).
    """

    weight: Tensor
    left_bias: Tensor
    right_bias: Tensor

    @property
    def swapped(self) -> "Bipartite":
        """The same units with the sides exchanged."""
        return Bipartite(self.weight.mT, self.right_bias, self.left_bias)

    @property
    def smaller_first(self) -> "Bipartite":
        """The same units with the smaller side on the left."""
        return self if len(self.left_bias) <= len(self.right_bias) else self.swapped

    def centred(self, left: Tensor, right: float) -> "Bipartite":
        """The units whose weights join deviations from constants, not the states themselves.

            E(l, r) = -( a l + b r + (l - left) W (r - right) ),   up to a constant,

        has the same weights, and other biases. Gradients in W, a and b are then those of
        covariances and means, which hang together less.

        Args:
            left: about the means of the left units, shape (A,).
            right: about that of each right unit.
        """
        a = self.left_bias - right * self.weight.sum(1)
        b = self.right_bias - left @ self.weight
        return Bipartite(self.weight, a, b)

    def detached(self) -> "Bipartite":
        """The same numbers as constants for autograd."""
        return Bipartite(*(part.detach() for part in self))

    def right_logits(self, left: Tensor) -> Tensor:
        """Logits of the right units given the left ones: (..., A) -> (..., B)."""
        return left @ self.weight + self.right_bias

    def left_logits(self, right: Tensor) -> Tensor:
        """Logits of the left units given the right ones: (..., B) -> (..., A)."""
        return right @ self.weight.mT + self.left_bias

    def energy(self, left: Tensor, right: Tensor) -> Tensor:
        """E(l, r), nats: (..., A), (..., B) -> (...)."""
        return -(left @ self.left_bias) - (right * self.right_logits(left)).sum(-1)

    def free_energy(self, left: Tensor) -> Tensor:
        """F(l) = -log sum_r exp( -E(l, r) ), nats: (..., A) -> (...)."""
        return -(left @ self.left_bias) - softplus(self.right_logits(left)).sum(-1)

    def coins(self, count: int) -> Tensor:
        """Left states of fair coins, where chains start, shape (count, A)."""
        return torch.bernoulli(self.left_bias.new_full((count, len(self.left_bias)), 0.5))

    @torch.no_grad()
    def gibbs(self, left: Tensor, sweeps: int) -> Tensor:
        """Left states after sweeps of right given left, then left given right: (..., A)."""
        for _ in range(sweeps):
            left = bits(self.left_logits(bits(self.right_logits(left))))
        return left


def bits(logits: Tensor) -> Tensor:
    """A draw of independent bits with these logits, as floats."""
    chance = torch.sigmoid(logits)
    return (torch.rand_like(chance) < chance).to(chance)
