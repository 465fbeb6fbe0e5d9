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
        mu = pyro.sample("mu", dist.Normal(y.new_zeros(()), LEVEL_SCALE))
        phi, sigma = _dynamics(y)
        eta = pyro.sample("eta", dist.Normal(torch.zeros_like(y), 1.0).to_event(1))
        return _returns(y, mu, phi, sigma, eta)

    def in_other_form(self, y: Tensor) -> Tensor:
        """The same joint density by the first log variance, in place of the level mu.

            h_0 ~ N(0, sqrt(4 + s^2)),  mu = a h_0 + s sqrt(a) level,  level ~ N(0, 1),
            with s = sigma / sqrt(1 - phi^2) and a = 4 / (4 + s^2)

        is the joint density of mu and h_0 taken the other way round. The data tell h_0, and as
        phi nears 1 ever less of mu, so that mu and eta_0 lie on a ridge that h_0 and level do not
        have.

        Args:
            y: returns, shape (T,).
        """
        phi, sigma = _dynamics(y)
        spread = sigma * (1 - phi.square()).rsqrt()
        total = LEVEL_SCALE**2 + spread.square()
        first = pyro.sample("first", dist.Normal(y.new_zeros(()), total.sqrt()))
        level = pyro.sample("level", dist.Normal(y.new_zeros(()), 1.0))
        steps = pyro.sample("steps", dist.Normal(torch.zeros_like(y[1:]), 1.0).to_event(1))
        known = LEVEL_SCALE * total.rsqrt()
        mu = pyro.deterministic("mu", known.square() * first + known * spread * level)
        eta_0 = (spread / total * first - known * level)[..., None]
        eta = torch.cat([eta_0, steps.expand(*eta_0.shape[:-1], -1)], -1)
        return _returns(y, mu, phi, sigma, pyro.deterministic("eta", eta, event_dim=1))


def _dynamics(y: Tensor) -> tuple[Tensor, Tensor]:
    """Samples phi and sigma."""
    zero = y.new_zeros(())
    phi = pyro.sample("phi", dist.Beta(zero + PERSISTENT[0], zero + PERSISTENT[1]))
    return phi, pyro.sample("sigma", dist.HalfNormal(zero + STEP_SCALE))


def _returns(y: Tensor, mu: Tensor, phi: Tensor, sigma: Tensor, eta: Tensor) -> Tensor:
    """Scores the returns, (T,)."""
    mu, phi, sigma = (value[..., None] for value in (mu, phi, sigma))
    h = mu + sigma * wandering(phi, eta)
    return pyro.sample("y", dist.Normal(y.new_zeros(()), (h / 2).exp()).to_event(1), obs=y)


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
