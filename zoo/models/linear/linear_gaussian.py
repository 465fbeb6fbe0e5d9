"""What is exact in both linear Gaussian models, through M x M matrices only.

With r = x - mu, C = W W' + s^2 I and P = W'W + s^2 I, the matrix inversion lemma gives
s^2 r'C^-1 r = |r|^2 - r'W P^-1 W'r, and the posterior mean of z is P^-1 W'r. Factor analysis
divides r and W by the scales of its noise; then s = 1.

Source: Tipping and Bishop (1999), Probabilistic principal component analysis, JRSS B 61(3).
"""

import math

import torch
from torch import Tensor


def initial_weight(features: int, latent: int) -> Tensor:
    """A random W, shape (D, M), with columns near unit length.

    Args:
        features: data dimension D.
        latent: latent dimension M, below D.

    Raises:
        ValueError: latent is not in 1..D-1.
    """
    if not 1 <= latent < features:
        raise ValueError(
            f"Expected 1 <= latent < features; got latent={latent}, features={features}. "
            "Choose a smaller latent dimension."
        )
    return torch.randn(features, latent) / math.sqrt(features)


def remaining_square(residual: Tensor, weight: Tensor, inner: Tensor) -> tuple[Tensor, Tensor]:
    """The square that the latents do not explain, and log|P|, by the Cholesky factor L of P.

    Args:
        residual: r, shape (rows, D).
        weight: W, shape (D, M).
        inner: P, shape (M, M).

    Returns:
        |r|^2 - |L^-1 W'r|^2, shape (rows,), and log|P|, shape ().
    """
    cholesky = torch.linalg.cholesky(inner)
    projected = torch.linalg.solve_triangular(cholesky, (residual @ weight).mT, upper=False)
    square = residual.square().sum(-1) - projected.square().sum(0)
    return square, 2 * cholesky.diagonal().log().sum()


def posterior_mean(residual: Tensor, weight: Tensor, inner: Tensor) -> Tensor:
    """P^-1 W'r of every row, shape (rows, M).

    Args:
        residual: r, shape (rows, D).
        weight: W, shape (D, M).
        inner: P, shape (M, M).
    """
    return torch.linalg.solve(inner, (residual @ weight).mT).mT
