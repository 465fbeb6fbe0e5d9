"""The mean of draws in a curved space, and how far the draws are from it."""

import torch
from torch import Tensor

from zoo.manifolds.hyperboloid import inner
from zoo.manifolds.lorentz_normal import distance
from zoo.manifolds.sphere import angle, unit


def on_sphere(draws: Tensor) -> tuple[Tensor, Tensor]:
    """The mean direction, and the root mean squared angle of draws to it.

    Args:
        draws: unit vectors, shape (draws, ..., d).

    Returns:
        A unit vector (..., d), and radians (..., 1).
    """
    mean = unit(draws.mean(0))
    return mean, _spread(angle(draws, mean))


def on_hyperboloid(draws: Tensor) -> tuple[Tensor, Tensor]:
    """The Lorentz centroid, and the root mean squared geodesic distance of draws to it.

    The centroid is the mean of the coordinates, scaled back onto the hyperboloid; it minimises
    the mean of -2 - 2 <z, mean>, a squared distance.
    Source: Law, Liao, Snell & Zemel 2019, "Lorentzian distance learning".

    Args:
        draws: points of H^n, shape (draws, ..., n + 1).

    Returns:
        A point (..., n + 1), and distances (..., 1).
    """
    centre = draws.mean(0)
    mean = centre / (-inner(centre, centre)).sqrt()[..., None]
    return mean, _spread(distance(mean, draws))


def _spread(distances: Tensor) -> Tensor:
    return torch.sqrt(distances.square().mean(0))[..., None]
