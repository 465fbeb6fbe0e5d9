"""What an objective's gradient estimates on average: a bound for the model, one for the guide.

An estimator is biased against the gradient of its own bound, so it has to say which one that is.
Where the latents are finite a bound is a sum over their states, and so is its gradient.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.sites.states import states_by_number


class Bound(ABC):
    """A bound of one row's log p(x), nats; subclasses are frozen dataclasses."""

    particles: int

    @property
    @abstractmethod
    def name(self) -> str:
        """What tables call it."""

    @abstractmethod
    def exact(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """Sums it over all joint states of a row's latents.

        Args:
            log_p: log p(x, z) of each state, nats, shape (states, rows).
            log_q: log q(z | x), same shape; sums to one.

        Returns:
            Shape (rows,); its gradient in both arguments is the exact one.
        """

    def terms(self, states: int) -> int:
        """Terms of that sum for one row."""
        return states**self.particles


@dataclass(frozen=True)
class Elbo(Bound):
    """E_q log w: the ELBO, w = p(x, z) / q(z | x)."""

    particles: int = 1

    @property
    def name(self) -> str:
        """What tables call it."""
        return "elbo"

    def exact(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """See the class above."""
        return (log_q.exp() * (log_p - log_q)).sum(0)


@dataclass(frozen=True)
class PowerMean(Bound):
    """E 1/(1 - alpha) log 1/K sum_k w_k^(1 - alpha): Renyi's bound; at alpha = 0 IWAE's."""

    particles: int
    alpha: float = 0.0

    @property
    def name(self) -> str:
        """What tables call it."""
        order = f"renyi {self.alpha:g}" if self.alpha else "iwae"
        return f"{order}, K={self.particles}"

    def exact(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """See the class above."""
        power = 1 - self.alpha
        return over_tuples(log_p, log_q, self.particles, lambda w: log_mean(power * w) / power)


@dataclass(frozen=True)
class Compromise(Bound):
    """The share `beta` of the ELBO, and the rest of the bound of K weights."""

    particles: int
    beta: float

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"ciwae {self.beta:g}, K={self.particles}"

    def exact(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """See the class above."""
        tight = over_tuples(log_p, log_q, self.particles, log_mean)
        return self.beta * Elbo().exact(log_p, log_q) + (1 - self.beta) * tight


@dataclass(frozen=True)
class Largest(Bound):
    """E max_k log w_k."""

    particles: int

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"largest, K={self.particles}"

    def exact(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """See the class above."""
        return over_tuples(log_p, log_q, self.particles, lambda w: w.max(0).values)


@dataclass(frozen=True)
class Inclusive(Bound):
    """log p(x) for the model, -KL( p(z | x) || q(z | x) ) for the guide."""

    particles: int = 1

    @property
    def name(self) -> str:
        """What tables call it."""
        return "inclusive KL"

    def exact(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """Log p(x) + sum_z p(z | x) log q(z | x), the posterior a constant: their gradients."""
        posterior = log_p.softmax(0).detach()
        return log_p.logsumexp(0) + (posterior * log_q).sum(0)


@dataclass(frozen=True)
class PathIntegral(Bound):
    """The left Riemann sum of E_{pi_b} log w over b in `betas`, pi_b ~ q w^b (TVO)."""

    betas: tuple[float, ...]
    particles: int = 1

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"tvo, {len(self.betas) - 1} strips"

    def exact(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """See the class above."""
        log_w = log_p - log_q
        strips = zip(self.betas[:-1], self.betas[1:], strict=True)
        terms = [(end - b) * ((log_q + b * log_w).softmax(0) * log_w).sum(0) for b, end in strips]
        return torch.stack(terms).sum(0)


@dataclass(frozen=True)
class ChiUpper(Bound):
    """- 1/n log E_q w^n: minus an upper bound of log p(x), the CUBO of order n."""

    n: float
    particles: int = 1

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"cubo {self.n:g}"

    def exact(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """See the class above."""
        return -(log_q + self.n * (log_p - log_q)).logsumexp(0) / self.n


@dataclass(frozen=True)
class PathAbove(Bound):
    """Minus the right Riemann sum of E_{pi_b} log w over b in `betas`, an upper bound (TVO)."""

    betas: tuple[float, ...]
    particles: int = 1

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"tvo from above, {len(self.betas) - 1} strips"

    def exact(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """See the class above."""
        log_w = log_p - log_q
        strips = zip(self.betas[:-1], self.betas[1:], strict=True)
        terms = [
            (end - b) * ((log_q + end * log_w).softmax(0) * log_w).sum(0) for b, end in strips
        ]
        return -torch.stack(terms).sum(0)


@dataclass(frozen=True)
class Target:
    """The bounds that the model's and the guide's parameters follow; None where there is none."""

    model: Bound | None
    guide: Bound | None

    @property
    def name(self) -> str:
        """What tables call it."""
        names = [part.name if part else "no bound" for part in (self.model, self.guide)]
        return names[0] if names[0] == names[1] else f"{names[0]} | {names[1]}"


def both(bound: Bound) -> Target:
    """The same bound for the model and the guide."""
    return Target(bound, bound)


def log_mean(log_w: Tensor) -> Tensor:
    """Log of the mean over the first dimension, nats."""
    return log_w.logsumexp(0) - math.log(len(log_w))


def over_tuples(
    log_p: Tensor, log_q: Tensor, count: int, value: Callable[[Tensor], Tensor]
) -> Tensor:
    """The mean of a function of `count` independent log-weights, over all tuples of states.

    Args:
        log_p: nats, shape (states, rows).
        log_q: same shape.
        count: length K of a tuple.
        value: (K, tuples, rows) -> (tuples, rows).

    Returns:
        Shape (rows,).
    """
    tuples = torch.arange(len(log_p) ** count, device=log_p.device)
    index = states_by_number(tuples, count, len(log_p)).mT
    chance = log_q[index].sum(0).exp()
    return (chance * value((log_p - log_q)[index])).sum(0)
