"""Bayesian linear regression with known noise.

One vector of coefficients, common to all rows, turns D features into the mean of an outcome. Prior
and likelihood are conjugate, so evidence and posterior are exact. The posterior is Gaussian in D
dimensions, and its coordinates are correlated where the features are.

Generative process:
    beta ~ N(0, r^2 I_D)
    y_n ~ N(x_n' beta, s^2), for each row n

Shapes: x (rows, D) with a column of ones for the intercept, y (rows,), beta (D,).
Source: Bishop (2006), Pattern recognition and machine learning, sections 3.3 and 3.5.
Departs from the book: nothing.
"""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.models.shapes import require_shape


class LinearRegression(nn.Module):
    """Linear regression with a normal prior; it has no parameters to learn."""

    def __init__(self, features: int, noise: float = 0.5, prior_scale: float = 1.0) -> None:
        """Fixes the number of coefficients and the two standard deviations.

        Args:
            features: number of columns D of x, the column of ones included.
            noise: standard deviation s of an outcome.
            prior_scale: prior standard deviation r of a coefficient.

        Raises:
            ValueError: features is below 1, or a standard deviation not above 0.
        """
        super().__init__()
        if features < 1:
            raise ValueError(f"Expected features >= 1; got {features}. Count the columns of x.")
        if noise <= 0 or prior_scale <= 0:
            raise ValueError(
                f"Expected noise and prior_scale above 0; got {noise} and {prior_scale}. "
                "Give standard deviations."
            )
        self.features, self.noise, self.prior_scale = features, noise, prior_scale

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Generates outcomes: global site beta, then the observed site y.

        The product is a sum over the last dimension, so that beta may come as (particles, 1, D).

        Args:
            x: features, shape (rows, D).
            y: outcomes, shape (rows,).

        Returns:
            The observed outcomes, shape (rows,).

        Raises:
            ValueError: x is not (rows, D), or y not (rows,).
        """
        require_shape("x", x, (len(x), self.features))
        require_shape("y", y, (len(x),))
        scale = x.new_full((self.features,), self.prior_scale)
        beta = pyro.sample("beta", dist.Normal(torch.zeros_like(scale), scale).to_event(1))
        with pyro.plate("data", len(x)):
            return pyro.sample("y", dist.Normal((x * beta).sum(-1), self.noise), obs=y)

    def log_evidence(self, x: Tensor, y: Tensor) -> Tensor:
        """Exact log p(y | x), through D x D matrices only.

        With the posterior precision P = X'X/s^2 + I/r^2 and its Cholesky factor L the marginal
        N(0, r^2 X X' + s^2 I) has log-determinant 2 rows log s + 2 D log r + 2 log|L| and square
        |y|^2/s^2 - |L^-1 X'y|^2/s^4.

        Args:
            x: features, shape (rows, D).
            y: outcomes, shape (rows,).

        Returns:
            Nats, shape ().
        """
        precision, shift = self._natural(x, y)
        cholesky = torch.linalg.cholesky(precision)
        projected = torch.linalg.solve_triangular(cholesky, shift[:, None], upper=False)
        square = y.square().sum() / self.noise**2 - projected.square().sum()
        log_det = len(x) * math.log(2 * math.pi * self.noise**2)
        log_det = log_det + 2 * self.features * math.log(self.prior_scale)
        return -0.5 * (log_det + 2 * cholesky.diagonal().log().sum() + square)

    def posterior(self, x: Tensor, y: Tensor) -> dict[str, Distribution]:
        """Exact posterior N(P^-1 X'y/s^2, P^-1) with P = X'X/s^2 + I/r^2.

        Args:
            x: features, shape (rows, D).
            y: outcomes, shape (rows,).

        Returns:
            Site beta -> distribution of event shape (D,).
        """
        precision, shift = self._natural(x, y)
        loc = torch.linalg.solve(precision, shift)
        return {"beta": dist.MultivariateNormal(loc, precision_matrix=precision)}

    def _natural(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior precision P, shape (D, D), and P times the posterior mean, shape (D,)."""
        prior = torch.eye(self.features, dtype=x.dtype, device=x.device) / self.prior_scale**2
        return x.mT @ x / self.noise**2 + prior, x.mT @ y / self.noise**2
