"""What a test problem of the verdict is, and its truth: closed forms, and the trapezoidal rule."""

from collections.abc import Callable
from dataclasses import dataclass

import pyro.distributions as dist
import torch
from torch import Tensor

Moments = dict[str, tuple[Tensor, Tensor]]
POINTS = 4001  # of a grid of one dimension
SIDE = 401  # of a grid of two, each way


@dataclass(frozen=True)
class Problem:
    """One model with its data.

    Attributes:
        model: a plain Pyro function.
        args: its arguments.
        truth: site -> exact posterior mean and sd, shaped like the site, flattened.
        other: data of the same shape that the model would have explained differently.
    """

    model: Callable
    args: tuple
    truth: Moments
    other: tuple


def uniform(g: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=g))


def whole(g: torch.Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=g))


def randn(g: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=g)


def from_grid(log_density: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and sd of a density on equally spaced points: (points,), (points, d) -> (d,) each."""
    w = log_density.softmax(0)[:, None]
    mean = (w * points).sum(0)
    return mean, (w * (points - mean).square()).sum(0).sqrt()


def of_line(log_density: Callable, low: float, high: float) -> tuple[Tensor, Tensor]:
    z = torch.linspace(low, high, POINTS)
    return from_grid(log_density(z), z[:, None])


def of_plane(log_density: Callable, low: float, high: float) -> tuple[Tensor, Tensor]:
    axis = torch.linspace(low, high, SIDE)
    z = torch.cartesian_prod(axis, axis)
    return from_grid(log_density(z), z)


def mixed(log_density: Tensor, mean: Tensor, sd: Tensor) -> tuple[Tensor, Tensor]:
    """Moments of a mixture over a grid: (points,), (points, d), (points, d) -> (d,) each."""
    w = log_density.softmax(0)[:, None]
    total = (w * mean).sum(0)
    return total, (w * (sd.square() + (mean - total).square())).sum(0).sqrt()


def gaussian_given(design: Tensor, noise: Tensor, y: Tensor, mean: Tensor, cov: Tensor) -> tuple:
    """Normal prior and y ~ N(design b, noise^2), over a batch: log evidence, mean, covariance."""
    spread = design @ cov @ design.mT + torch.diag_embed(noise.square())
    gain = torch.linalg.solve(spread, design @ cov).mT
    centre = (design @ mean.unsqueeze(-1)).squeeze(-1)
    evidence = dist.MultivariateNormal(centre, spread).log_prob(y)
    posterior = mean + (gain @ (y - centre).unsqueeze(-1)).squeeze(-1)
    return evidence, posterior, cov - gain @ design @ cov
