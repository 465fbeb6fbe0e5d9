"""Eight schools: effects of coaching on test scores, partially pooled.

Each of eight schools reports an estimated effect y_j with a known standard error sigma_j. The true
effects theta_j have an unknown mean mu and standard deviation tau in common. The scale of theta
depends on tau, a funnel that most guides approximate badly; in the non-centred form eta does not
depend on tau, and mu, tau and theta have the same posterior.

Generative process:
    mu ~ N(0, 5)
    tau ~ HalfCauchy(5)
    centred:      theta_j ~ N(mu, tau)
    non-centred:  eta_j ~ N(0, 1), theta_j = mu + tau eta_j
    y_j ~ N(theta_j, sigma_j)         (second arguments are standard deviations)

Shapes: sigma (8,), y (8,), mu (), tau (), theta and eta (8,).
Source: Rubin (1981), Estimation in parallel randomized experiments, Journal of Educational
Statistics 6(4).
Departs from the paper: proper priors on mu and tau, as in the Stan and posteriordb versions.

As `eight_schools_noncentred`: Eight schools with theta = mu + tau eta, without the funnel.
"""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.exact_moments import mixture_moments
from zoo.models.shapes import require_shape

SCHOOLS = 8
PRIOR_SCALE = 5.0
QUADRATURE_NODES = 200


class EightSchools(nn.Module):
    """Hierarchical normal model of eight effects; it has no parameters to learn."""

    def __init__(self, *, centred: bool = True) -> None:
        """Chooses the parametrisation.

        Args:
            centred: theta is latent; otherwise eta is, and theta a deterministic site.
        """
        super().__init__()
        self.centred = centred

    def forward(self, sigma: Tensor, y: Tensor) -> Tensor:
        """Generates the reports: sites mu, tau, theta (or eta), then the observed site y.

        Args:
            sigma: standard errors, shape (8,).
            y: reported effects, shape (8,).

        Returns:
            The observed effects, shape (8,).

        Raises:
            ValueError: sigma or y has another shape than (8,).
        """
        require_shape("sigma", sigma, (SCHOOLS,))
        require_shape("y", y, (SCHOOLS,))
        zero, one, scale = y.new_zeros(()), y.new_ones(()), y.new_full((), PRIOR_SCALE)
        mu = pyro.sample("mu", dist.Normal(zero, scale))
        tau = pyro.sample("tau", dist.HalfCauchy(scale))
        with pyro.plate("schools", SCHOOLS):
            if self.centred:
                theta = pyro.sample("theta", dist.Normal(mu, tau))
            else:
                eta = pyro.sample("eta", dist.Normal(zero, one))
                theta = pyro.deterministic("theta", mu + tau * eta)
            return pyro.sample("y", dist.Normal(theta, sigma), obs=y)

    def log_evidence(self, sigma: Tensor, y: Tensor) -> Tensor:
        """Exact log p(y | sigma), by one-dimensional quadrature over tau.

        Args:
            sigma: standard errors, shape (8,).
            y: reported effects, shape (8,).

        Returns:
            Nats, shape ().
        """
        _, log_joint, _, _ = integrate_mu(sigma.double(), y.double())
        return log_joint.logsumexp(0).to(y.dtype)

    def posterior_moments(self, sigma: Tensor, y: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact posterior mean and standard deviation of every latent site.

        Given tau, every other latent is Gaussian; the laws of total expectation and total variance
        give the moments of the mixture over tau.

        Args:
            sigma: standard errors, shape (8,).
            y: reported effects, shape (8,).

        Returns:
            Site -> (mean, sd): mu () and tau (), and theta (8,) if centred, else eta (8,).
        """
        tau, log_joint, mu, mu_variance = integrate_mu(sigma.double(), y.double())
        weights = log_joint.softmax(0)
        scale, mean, variance = tau[:, None], mu[:, None], mu_variance[:, None]
        total = sigma.double().square() + scale.square()
        gain = scale / total
        eta = gain * (y.double() - mean)
        eta_variance = sigma.double().square() / total + gain.square() * variance
        shrinkage = 1 - scale * gain
        theta = y.double() + shrinkage * (mean - y.double())
        theta_variance = shrinkage * scale.square() + shrinkage.square() * variance
        effects = ("theta", theta, theta_variance) if self.centred else ("eta", eta, eta_variance)
        sites = [("mu", mu, mu_variance), ("tau", tau, torch.zeros_like(tau)), effects]
        return {site: mixture_moments(weights, m, v, y.dtype) for site, m, v in sites}


def integrate_mu(sigma: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Integrates theta and mu in closed form, at Gauss-Legendre nodes for tau.

    Given tau, y_j ~ N(mu, sigma_j^2 + tau^2) independently. The nodes are u in (0, 1) with
    tau = 5 tan(pi u / 2), under which HalfCauchy(5) is uniform in u.

    Args:
        sigma: standard errors, float64, shape (8,).
        y: reported effects, float64, shape (8,).

    Returns:
        At every node, each of shape (200,): tau; log of its weight times p(y | tau), nats; mean
        and variance of mu given tau and y.
    """
    points, weights = (y.new_tensor(a) for a in np.polynomial.legendre.leggauss(QUADRATURE_NODES))
    tau = PRIOR_SCALE * torch.tan(math.pi * (points + 1) / 4)
    precision = 1 / (sigma.square() + tau[:, None].square())
    mu_precision = PRIOR_SCALE**-2 + precision.sum(-1)
    mu = (precision * y).sum(-1) / mu_precision
    square = (precision * y.square()).sum(-1) - mu_precision * mu.square()
    log_det = (2 * math.pi / precision).log().sum(-1) + (PRIOR_SCALE**2 * mu_precision).log()
    return tau, (weights / 2).log() - 0.5 * (log_det + square), mu, 1 / mu_precision
