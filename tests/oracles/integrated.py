"""Posterior moments of a few parameters, the many effects integrated out: importance sampling.

No Markov chain takes part. Effects of plates are integrated by Gauss-Hermite quadrature, a log
variance of T days by importance sampling around its mode (an unbiased estimate of the likelihood
in the place of the likelihood leaves the moments right).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Beta, Chi2, HalfNormal, MultivariateNormal, Normal
from torch.nn.functional import logsigmoid
from torch.quasirandom import SobolEngine

NODES = 40
FREEDOM = 6.0
NEWTON_STEPS = 8
PATHS = 16


@dataclass(frozen=True)
class Weighted:
    """Points of some parameters and the logarithms of their importance weights, (n,)."""

    points: dict[str, Tensor]
    log_weights: Tensor

    @property
    def effective(self) -> float:
        """Kish's effective number of points."""
        return float(1 / self.log_weights.softmax(0).square().sum())

    def moments(self, name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean, sd, and the standard errors of both, each of one point's shape."""
        x = self.points[name].reshape(len(self.log_weights), -1)
        weight = self.log_weights.softmax(0)[:, None]
        mean = (weight * x).sum(0)
        square = (x - mean).square()
        variance = (weight * square).sum(0)
        mean_error = (weight.square() * square).sum(0).sqrt()
        error = (weight.square() * (square - variance).square()).sum(0).sqrt()
        sd = variance.sqrt()
        return mean, sd, mean_error, error / (2 * sd)


def seeds(data: tuple[Tensor, ...], centre: Tensor, covariance: Tensor, count: int) -> Weighted:
    """Coefficients alpha and precision tau of the model `seeds`.

    Args:
        data: x1, x2, n and r.
        centre: of the proposal for alpha, a Student's t, (4,).
        covariance: of it, (4, 4).
        count: number of points.
    """
    x1, x2, n, r = data
    design = torch.stack([torch.ones_like(x1), x1, x2, x1 * x2], -1)
    node, mass = map(torch.from_numpy, np.polynomial.hermite_e.hermegauss(NODES))
    log_mass = (mass / mass.sum()).log()

    def likelihood(alpha: Tensor, log_tau: Tensor) -> Tensor:
        effect = node * (-log_tau / 2).exp()[:, None, None]
        logits = (alpha @ design.T)[..., None] + effect
        hits = r[:, None] * logsigmoid(logits) + (n - r)[:, None] * logsigmoid(-logits)
        return (hits + log_mass).logsumexp(-1).sum(-1)

    wide = (Chi2(FREEDOM).sample((count, 1)) / FREEDOM).rsqrt()
    alpha = centre + wide * MultivariateNormal(torch.zeros(4), covariance).sample((count,))
    distance = torch.linalg.solve(covariance, (alpha - centre).T).T.mul(alpha - centre).sum(-1)
    log_tau = torch.rand(count) * 12 - 1  # a tau beyond exp(11) has a prior of exp(-60)
    parts = zip(alpha.split(1000), log_tau.split(1000), strict=True)
    log_p = torch.cat([likelihood(*part) for part in parts])
    log_p = log_p - alpha.square().sum(-1) / 2e6 + 1e-3 * (log_tau - log_tau.exp())
    log_q = -(FREEDOM + 4) / 2 * torch.log1p(distance / FREEDOM)
    return Weighted({"alpha": alpha, "tau": log_tau.exp()}, log_p - log_q)


def volatility(y: Tensor, count: int) -> Weighted:
    """Level mu, persistence phi and scale sigma of `stochastic_volatility`, from their prior."""
    uniform = SobolEngine(3, scramble=True, seed=1).draw(count, dtype=torch.float64)
    mu, sigma = Normal(0.0, 2.0).icdf(uniform[:, 0]), HalfNormal(0.5).icdf(uniform[:, 2])
    phi = Beta(20.0, 1.5).sample((count,))
    parts = zip(*(x.split(500) for x in (mu, phi, sigma)), strict=True)
    likelihood = torch.cat([_of_returns(y, *part) for part in parts])
    return Weighted({"mu": mu, "phi": phi, "sigma": sigma}, likelihood)


def _of_returns(y: Tensor, mu: Tensor, phi: Tensor, sigma: Tensor) -> Tensor:
    """Log of an unbiased estimate of p(y | mu, phi, sigma), each (n,)."""
    precision = _precision(phi, sigma, len(y))
    mu = mu[:, None]
    h = mu.expand(-1, len(y))
    for _ in range(NEWTON_STEPS):
        noise = y.square() * (-h).exp() / 2
        slope = noise - 0.5 - (precision @ (h - mu)[..., None])[..., 0]
        step = torch.linalg.solve(precision + noise.diag_embed(), slope)
        h = h + step.clamp(-1, 1)
    factor = torch.linalg.cholesky(precision + (y.square() * (-h).exp() / 2).diag_embed())
    noise = torch.randn(len(mu), len(y), PATHS // 2)
    noise = torch.cat([noise, -noise], -1)
    path = h[..., None] + torch.linalg.solve_triangular(factor.mT, noise, upper=True)
    away = path - mu[..., None]
    prior = (_log_det(precision) - ((precision @ away) * away).sum(1)) / 2
    returns = -(path / 2 + (y.square()[:, None] * (-path).exp()) / 2).sum(1)
    proposal = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)[:, None] - noise.square().sum(1) / 2
    return (prior + returns - proposal).logsumexp(-1)


def _precision(phi: Tensor, sigma: Tensor, size: int) -> Tensor:
    """Of a stationary AR(1), (n, T, T)."""
    inner = torch.ones(size)
    inner[0] = inner[-1] = 0.0
    diagonal = 1 + phi.square()[:, None] * inner
    beside = -phi[:, None].expand(-1, size - 1)
    whole = diagonal.diag_embed() + beside.diag_embed(1) + beside.diag_embed(-1)
    return whole / sigma.square()[:, None, None]


def _log_det(precision: Tensor) -> Tensor:
    """Log determinant, (n, 1)."""
    return torch.linalg.slogdet(precision).logabsdet[:, None]
