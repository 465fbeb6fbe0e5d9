"""Stochastic volatility: returns whose log variance is a latent series of its own.

The log variance wanders around a level. It is written by its standard normal steps, so that the
prior of what is inferred is the same everywhere; the posterior still has one latent for each day.

Generative process, for t = 0..T-1:
    mu ~ N(0, 2),  phi ~ Beta(20, 1.5),  sigma ~ HalfNormal(0.5),  eta_t ~ N(0, 1)
    h_0 = mu + sigma eta_0 / sqrt(1 - phi^2),  h_t = mu + phi (h_{t-1} - mu) + sigma eta_t
    y_t ~ N(0, exp(h_t / 2))         (the second argument is a standard deviation)

Shapes: y (T,), mu (), phi (), sigma (), eta (T,).
Source: Kim, Shephard & Chib (1998), Stochastic volatility: likelihood inference and comparison
with ARCH models.
Departs from the paper: phi is above 0, and has the prior that the paper gives to (phi + 1) / 2.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape

LEVEL_SCALE, STEP_SCALE = 2.0, 0.5
PERSISTENT = (20.0, 1.5)


class StochasticVolatility(nn.Module):
    """A log variance that follows AR(1), by its steps; it has no parameters to learn."""

    def forward(self, y: Tensor) -> Tensor:
        """Generates the returns: sites mu, phi, sigma and eta, then y.

        Args:
            y: returns, shape (T,).

        Returns:
            The returns, shape (T,).

        Raises:
            ValueError: y is not (T,).
        """
        require_shape("y", y, (len(y),))
        zero = y.new_zeros(())
        mu = pyro.sample("mu", dist.Normal(zero, LEVEL_SCALE))
        phi = pyro.sample("phi", dist.Beta(zero + PERSISTENT[0], zero + PERSISTENT[1]))
        sigma = pyro.sample("sigma", dist.HalfNormal(zero + STEP_SCALE))
        eta = pyro.sample("eta", dist.Normal(torch.zeros_like(y), 1.0).to_event(1))
        mu, phi, sigma = (value[..., None] for value in (mu, phi, sigma))
        h = mu + sigma * wandering(phi, eta)
        return pyro.sample("y", dist.Normal(zero, (h / 2).exp()).to_event(1), obs=y)


def wandering(phi: Tensor, eta: Tensor) -> Tensor:
    """The stationary series w_t = phi w_{t-1} + eta_t, of w_0 = eta_0 / sqrt(1 - phi^2).

    Args:
        phi: shape (..., 1).
        eta: shape (..., T).

    Returns:
        Shape (..., T).
    """
    first = eta[..., :1] * (1 - phi.square()).rsqrt()
    steps = torch.cat([first, eta[..., 1:].expand(*first.shape[:-1], -1)], -1)
    factor, lag = phi, 1
    while lag < eta.shape[-1]:  # phi^j eta_{t-j} is summed over twice as many j each time
        before = torch.nn.functional.pad(steps[..., :-lag], (lag, 0))
        steps, factor, lag = steps + factor * before, factor.square(), 2 * lag
    return steps
