"""Local-level model: random walks observed with noise.

Each row is a short series whose level moves by independent steps and is measured with noise. The
whole path of a row is one latent vector with a strongly correlated prior, so a factorised guide
leaves a gap; the Kalman filter gives the exact evidence, and so the size of the gap.

Generative process, for each row n:
    level_n0 ~ N(0, r^2)
    level_nt ~ N(level_n(t-1), q^2)
    x_nt ~ N(level_nt, s^2)

Shapes: x (rows, T), level (rows, T), log_step log q (), log_noise log s ().
Source: Durbin and Koopman (2012), Time series analysis by state space methods, chapter 2.
Departs from the book: many series share q and s; the first level has a known standard deviation r.
"""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.models.shapes import require_shape


class LocalLevel(nn.Module):
    """Random walk plus noise; the path of a row is one latent vector."""

    def __init__(self, length: int, start: float = 1.0) -> None:
        """Starts with q = s = 1.

        Args:
            length: number of times T.
            start: prior standard deviation r of the first level.

        Raises:
            ValueError: there is no time, or start is not above 0.
        """
        super().__init__()
        if length < 1 or start <= 0:
            raise ValueError(
                f"Expected length >= 1 and start above 0; got length={length}, start={start}. "
                "start is a standard deviation."
            )
        self.length, self.start = length, start
        self.log_step = nn.Parameter(torch.zeros(()))
        self.log_noise = nn.Parameter(torch.zeros(()))

    @property
    def encoder_hidden(self) -> tuple[int, ...]:
        """None: the exact posterior mean is linear in a row."""
        return ()

    def forward(self, x: Tensor) -> Tensor:
        """Generates series: site level, then the observed site x.

        Args:
            x: data, shape (rows, T).

        Returns:
            The observed series, shape (rows, T).

        Raises:
            ValueError: x has another width than T.
        """
        require_shape("x", x, (len(x), self.length))
        prior = dist.MultivariateNormal(x.new_zeros(self.length), scale_tril=self.walk())
        with pyro.plate("data", len(x)):
            level = pyro.sample("level", prior)
            return pyro.sample("x", dist.Normal(level, self.log_noise.exp()).to_event(1), obs=x)

    def walk(self) -> Tensor:
        """The matrix L, shape (T, T), with level = L eps for independent standard normals eps."""
        ones = self.log_step.detach().new_ones(self.length, self.length).tril()
        first = torch.full_like(ones[:, :1], self.start)
        return torch.cat([first, ones[:, 1:] * self.log_step.exp()], -1)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x) by the Kalman filter, the sum of log p(x_t | x_0 .. x_(t-1)).

        Args:
            x: data, shape (rows, T).

        Returns:
            Nats, shape (rows,).
        """
        step, noise = (2 * self.log_step).exp(), (2 * self.log_noise).exp()
        mean, variance = torch.zeros_like(x[:, 0]), torch.full_like(noise, self.start**2)
        total = torch.zeros_like(mean)
        for x_t in x.unbind(-1):
            predicted_variance, innovation = variance + noise, x_t - mean
            log_norm = (2 * math.pi * predicted_variance).log()
            total = total - 0.5 * (log_norm + innovation.square() / predicted_variance)
            gain = variance / predicted_variance
            mean, variance = mean + gain * innovation, gain * noise + step
        return total

    def posterior(self, x: Tensor) -> dict[str, Distribution]:
        """Exact posterior of whole paths, N(P^-1 x/s^2, P^-1) with P = (L L')^-1 + I/s^2.

        Args:
            x: data, shape (rows, T).

        Returns:
            Site level -> distribution of batch shape (rows,), event shape (T,).
        """
        noise = (-2 * self.log_noise).exp()
        walk = self.walk()
        eye = torch.eye(self.length, dtype=walk.dtype, device=walk.device)
        precision = torch.cholesky_inverse(walk) + noise * eye
        loc = torch.linalg.solve(precision, noise * x.mT).mT
        return {"level": dist.MultivariateNormal(loc, precision_matrix=precision)}
