"""Autoregression: each value of a series is a linear function of the K before it.

Given the noise, the model is linear and normal, so that everything but one integral over sigma is
in closed form. Where the series is not centred, the constant and the coefficients are strongly
correlated: raising one coefficient must lower the constant.

Generative process, for t = K..T-1, given the first K values:
    c ~ N(0, 5),  phi ~ N(0, 0.5^2 I_K),  sigma ~ HalfNormal(2)
    y_t ~ N(c + phi_1 y_{t-1} + ... + phi_K y_{t-K}, sigma)

Second arguments are standard deviations.
Shapes: y (T,), c (), phi (K,), sigma (); what is observed, y_next (T - K,), is y from time K on.
Source: Stan user's guide, chapter 2, section "Autoregressive models".
Departs from the guide: proper priors.
"""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.exact_moments import mixture_moments
from zoo.models.shapes import require_shape

CONSTANT_SCALE, COEFFICIENT_SCALE, NOISE_SCALE = 5.0, 0.5, 2.0
NODES = 400
LOWEST, HIGHEST = -7.0, math.log(20.0)  # logarithms of sigma between which its mass lies


class Autoregression(nn.Module):
    """Linear regression of a series on its own past; it has no parameters to learn."""

    def __init__(self, order: int = 2) -> None:
        """Fixes how far back it reads.

        Args:
            order: K.

        Raises:
            ValueError: order is below 1.
        """
        super().__init__()
        if order < 1:
            raise ValueError(f"Expected order >= 1; got {order}. Give the number of lags.")
        self.order = order

    def forward(self, y: Tensor) -> Tensor:
        """Generates the series from its first K values: sites c, phi and sigma, then y_next.

        Args:
            y: the series, shape (T,), T above K.

        Returns:
            The values from K on, shape (T - K,).

        Raises:
            ValueError: y is not (T,).
        """
        past, now = self._past(y)
        zero = y.new_zeros(())
        c = pyro.sample("c", dist.Normal(zero, CONSTANT_SCALE))
        prior = dist.Normal(y.new_zeros(self.order), COEFFICIENT_SCALE).to_event(1)
        phi = pyro.sample("phi", prior)
        sigma = pyro.sample("sigma", dist.HalfNormal(zero + NOISE_SCALE))
        mean = c[..., None] + (past * phi[..., None, :]).sum(-1)
        return pyro.sample("y_next", dist.Normal(mean, sigma[..., None]).to_event(1), obs=now)

    def log_evidence(self, y: Tensor) -> Tensor:
        """Log p(y_K..y_T | y_0..y_{K-1}), by one-dimensional quadrature over sigma.

        Args:
            y: the series, shape (T,).

        Returns:
            Nats, shape ().
        """
        return self._given_sigma(y)[1].logsumexp(0).to(y.dtype)

    def posterior_moments(self, y: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Posterior mean and standard deviation of every site, by the same quadrature.

        Args:
            y: the series, shape (T,).

        Returns:
            Site -> (mean, sd): c (), phi (K,), sigma ().
        """
        sigma, log_joint, mean, variance = self._given_sigma(y)
        weights = log_joint.softmax(0)
        c, c_sd = mixture_moments(weights, mean[:, 0], variance[:, 0], y.dtype)
        phi = mixture_moments(weights, mean[:, 1:], variance[:, 1:], y.dtype)
        noise = mixture_moments(weights, sigma, torch.zeros_like(sigma), y.dtype)
        return {"c": (c, c_sd), "phi": phi, "sigma": noise}

    def _past(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The K values before each, the latest first (T - K, K), and the values (T - K,)."""
        require_shape("y", y, (len(y),))
        if len(y) <= self.order:
            raise ValueError(
                f"Expected more than {self.order} values of y; got {len(y)}. Give a longer series "
                "or a lower order."
            )
        return y.unfold(0, self.order, 1)[:-1].flip(-1), y[self.order :]

    def _given_sigma(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What follows from sigma, at each of its nodes.

        Returns:
            sigma (T',); log of its weight times p(y | sigma), nats, (T',); mean and variance of
            (c, phi) given sigma and y, (T', K + 1) each. All float64.
        """
        past, now = (value.double() for value in self._past(y))
        points, weights = (now.new_tensor(a) for a in np.polynomial.legendre.leggauss(NODES))
        half = (HIGHEST - LOWEST) / 2
        sigma = (LOWEST + half * (points + 1)).exp()
        prior = dist.HalfNormal(torch.tensor(NOISE_SCALE, dtype=torch.float64))
        log_weight = (half * weights * sigma).log() + prior.log_prob(sigma)
        design = torch.cat([torch.ones_like(now)[:, None], past], 1)
        scales = now.new_tensor([CONSTANT_SCALE] + [COEFFICIENT_SCALE] * self.order)
        inverse = sigma[:, None, None] ** -2
        precision = inverse * (design.mT @ design) + torch.diag(scales**-2)
        cholesky = torch.linalg.cholesky(precision)
        shift = inverse[:, 0] * (design.mT @ now)
        mean = torch.cholesky_solve(shift[..., None], cholesky)[..., 0]
        variance = torch.cholesky_inverse(cholesky).diagonal(dim1=-2, dim2=-1)
        square = inverse[:, 0, 0] * now.square().sum() - (shift * mean).sum(-1)
        log_det = 2 * cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1) + 2 * scales.log().sum()
        log_det = log_det + len(now) * (2 * math.pi * sigma.square()).log()
        return sigma, log_weight - 0.5 * (log_det + square), mean, variance
