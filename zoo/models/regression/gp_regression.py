"""Gaussian-process regression.

A smooth random function is observed with noise at N inputs. Its values there are one latent vector
whose prior covariance is the kernel, and its posterior is Gaussian with a full covariance, which a
factorised guide cannot match. The hyperparameters are learned by the evidence or a bound on it.

Generative process:
    f ~ N(0, K),  K_ij = a^2 ((1 + d_ij) exp(-d_ij) + 1e-6 [i = j]),  d_ij = sqrt(3) |x_i - x_j|/l
    y ~ N(f, s^2 I)

Shapes: x (N,), y (N,), f (N,), log_scale log a (), log_length log l (), log_noise log s ().
Source: Rasmussen and Williams (2006), Gaussian processes for machine learning, chapters 2 and 5;
the Matern 3/2 kernel is their (4.17).
Departs from the book: one input dimension; a nugget of 1e-6 is part of the prior.
"""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.models.shapes import require_shape

NUGGET = 1e-6


class GPRegression(nn.Module):
    """Gaussian process with a Matern 3/2 kernel and normal noise; its values are latent."""

    def __init__(self, scale: float = 1.0, length: float = 1.0, noise: float = 0.5) -> None:
        """Sets where the hyperparameters start.

        Args:
            scale: standard deviation a of the function.
            length: distance l over which it varies.
            noise: standard deviation s of an observation.

        Raises:
            ValueError: one of them is not above 0.
        """
        super().__init__()
        if min(scale, length, noise) <= 0:
            raise ValueError(
                f"Expected scale, length and noise above 0; got {scale}, {length} and {noise}. "
                "They are two standard deviations and a distance."
            )
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.log_length = nn.Parameter(torch.tensor(math.log(length)))
        self.log_noise = nn.Parameter(torch.tensor(math.log(noise)))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Generates a function and observations of it: global site f, then the observed site y.

        Args:
            x: inputs, shape (N,).
            y: observations, shape (N,).

        Returns:
            The observed values, shape (N,).

        Raises:
            ValueError: y has another shape than x, or x is not (N,).
        """
        require_shape("x", x, (len(x),))
        require_shape("y", y, (len(x),))
        f = pyro.sample("f", dist.MultivariateNormal(torch.zeros_like(x), self.kernel(x)))
        return pyro.sample("y", dist.Normal(f, self.log_noise.exp()).to_event(1), obs=y)

    def kernel(self, x: Tensor) -> Tensor:
        """Prior covariance of the function at the inputs: (N,) -> (N, N)."""
        distance = 3**0.5 * (x[:, None] - x).abs() * (-self.log_length).exp()
        nugget = NUGGET * torch.eye(len(x), dtype=x.dtype, device=x.device)
        return (2 * self.log_scale).exp() * ((1 + distance) * (-distance).exp() + nugget)

    def log_evidence(self, x: Tensor, y: Tensor) -> Tensor:
        """Exact log p(y | x) = log N(y; 0, K + s^2 I).

        Args:
            x: inputs, shape (N,).
            y: observations, shape (N,).

        Returns:
            Nats, shape ().
        """
        noise = (2 * self.log_noise).exp() * torch.eye(len(x), dtype=x.dtype, device=x.device)
        return dist.MultivariateNormal(torch.zeros_like(y), self.kernel(x) + noise).log_prob(y)

    def posterior(self, x: Tensor, y: Tensor) -> dict[str, Distribution]:
        """Exact posterior N(F F'y/s^2, F F') with F = L B^-1/2, B = I + L'L/s^2 and L L' = K.

        No matrix is subtracted, so the covariance stays positive definite in single precision.

        Args:
            x: inputs, shape (N,).
            y: observations, shape (N,).

        Returns:
            Site f -> distribution of event shape (N,).
        """
        root = torch.linalg.cholesky(self.kernel(x))
        precision = (-2 * self.log_noise).exp()
        inner = torch.eye(len(x), dtype=x.dtype, device=x.device) + precision * root.mT @ root
        inner_root = torch.linalg.cholesky(inner)
        factor = torch.linalg.solve_triangular(inner_root, root.mT, upper=False).mT
        covariance = factor @ factor.mT
        return {"f": dist.MultivariateNormal(covariance @ y * precision, covariance)}
