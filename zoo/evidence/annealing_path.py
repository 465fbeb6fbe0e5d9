"""Log densities along an annealing path and their gradient, traced once into tensor operations.

A chain evaluates them thousands of times, and without Pyro's handlers that is several times
faster. The traced program is compared with the plain function at another point; where the values
differ, the plain function is used, so the metrics are the same either way.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.sampling.traced import traced

Ends = Callable[[Tensor], tuple[Tensor, Tensor]]
Slope = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class Point(NamedTuple):
    """The positions of the chains, and the log densities of both ends of the path there.

    Attributes:
        u: positions, shape (chains, rows, size).
        base: log density at beta = 0, nats, shape (chains, rows).
        target: log density at beta = 1, nats, shape (chains, rows).
    """

    u: Tensor
    base: Tensor
    target: Tensor

    def tempered(self, beta: Tensor) -> Tensor:
        """Log f_beta = (1 - beta) base + beta target, (chains, rows); 0 times -inf counts as 0."""
        first = torch.where(beta < 1, (1 - beta) * self.base, 0.0)
        return first + torch.where(beta > 0, beta * self.target, 0.0)


class Slopes:
    """The gradient of log f_beta in u, and the log densities of both ends.

    Args:
        ends: u -> log base and log target, each (chains, rows).
    """

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self._traced: dict[tuple[torch.Size, torch.Size], Slope] = {}

    def __call__(self, u: Tensor, beta: Tensor) -> tuple[Point, Tensor]:
        """The point at u and the gradient, shape (chains, rows, size)."""
        key = u.shape, beta.shape
        if key not in self._traced:
            self._traced[key] = self._trace(u, beta)
        base, target, gradient = self._traced[key](u, beta)
        return Point(u, base, target), gradient

    def look(self, u: Tensor) -> Point:
        """The point at u; a model with nothing to move is evaluated once for all chains."""
        base, target = self.ends(u if u.shape[-1] else u[:1])
        return Point(u, base.expand(len(u), -1), target.expand(len(u), -1))

    def plain(self, u: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log base, log target and the gradient, by autograd through the model."""
        with torch.enable_grad():
            leaf = u.detach().requires_grad_()
            base, target = self.ends(leaf)
            mixed = Point(leaf, base, target).tempered(beta)
            (gradient,) = torch.autograd.grad(mixed.sum(), leaf)
        return base.detach(), target.detach(), gradient

    def _trace(self, u: Tensor, beta: Tensor) -> Slope:
        elsewhere = u.roll(1, 0) * 0.9 + 0.1, beta * 0.5 + 0.1
        return traced(self.plain, (u, beta), elsewhere)
