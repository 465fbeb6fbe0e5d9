"""Varying intercepts: groups whose levels share a mean and a spread, measured several times each.

Each row is a group with J measurements. Levels of groups with noisy measurements are pulled
towards the common mean, by as much as the data say. What all groups share and what belongs to one
group are latent together: the model to try composed guides on.

Generative process, for each group n:
    mu ~ N(0, 5),  tau ~ HalfNormal(2),  sigma ~ HalfNormal(2)
    effect_n ~ N(mu, tau)
    x_nj ~ N(effect_n, sigma)         (second arguments are standard deviations)

Shapes: x (rows, J), mu (), tau (), sigma (), effect (rows,).
Source: Gelman and Hill (2007), Data analysis using regression and multilevel/hierarchical models,
chapter 12, the model without predictors.
Departs from the book: proper priors on mu, tau and sigma; every group has as many measurements.
"""

import math
from typing import NamedTuple

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.exact_moments import mixture_moments
from zoo.models.shapes import require_shape

MEAN_SCALE, SPREAD_SCALE = 5.0, 2.0
LOWEST, HIGHEST = -24.0, math.log(20.0)  # logarithms of the scales between which mass lies
NODES_PER_SD = 2.0


class Given(NamedTuple):
    """What follows from tau and sigma, at each of T nodes: shapes (T,)."""

    tau: Tensor
    sigma: Tensor
    log_joint: Tensor
    mean: Tensor
    variance: Tensor


class VaryingIntercepts(nn.Module):
    """One-way random effects; it has no parameters to learn."""

    def __init__(self, measurements: int) -> None:
        """Builds the model.

        Args:
            measurements: J, at least 2, so that sigma is known from the data.

        Raises:
            ValueError: measurements is below 2.
        """
        super().__init__()
        if measurements < 2:
            raise ValueError(
                f"Expected at least 2 measurements of each group; got {measurements}. With one, "
                "tau and sigma cannot be told apart."
            )
        self.measurements = measurements

    def forward(self, x: Tensor) -> Tensor:
        """Generates groups: sites mu, tau, sigma and effect, then the observed site x.

        Args:
            x: measurements, shape (rows, J).

        Returns:
            The measurements, shape (rows, J).

        Raises:
            ValueError: x has another width than J.
        """
        require_shape("x", x, (len(x), self.measurements))
        zero, wide, scale = (x.new_tensor(v) for v in (0.0, MEAN_SCALE, SPREAD_SCALE))
        mu = pyro.sample("mu", dist.Normal(zero, wide))
        tau = pyro.sample("tau", dist.HalfNormal(scale))
        sigma = pyro.sample("sigma", dist.HalfNormal(scale))
        with pyro.plate("data", len(x)):
            effect = pyro.sample("effect", dist.Normal(mu, tau))
            loc = effect.unsqueeze(-1).expand(*effect.shape, self.measurements)
            return pyro.sample("x", dist.Normal(loc, sigma.unsqueeze(-1)).to_event(1), obs=x)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), by quadrature over log tau and log sigma.

        Args:
            x: measurements, shape (rows, J).

        Returns:
            Nats, shape ().
        """
        return integrate(x.double()).log_joint.logsumexp(0).to(x.dtype)

    def posterior_moments(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact posterior mean and standard deviation of every latent site.

        Given tau and sigma the other latents are normal; the moments are those of the mixture.

        Args:
            x: measurements, shape (rows, J).

        Returns:
            Site -> (mean, sd): mu (), tau (), sigma () and effect (rows,).
        """
        at = integrate(x.double())
        weights, nothing = at.log_joint.softmax(0), torch.zeros_like(at.tau)
        noise = at.sigma.square() / self.measurements
        share = (noise / (noise + at.tau.square()))[:, None]  # of mu in a level
        effect = x.double().mean(-1) + share * (at.mean[:, None] - x.double().mean(-1))
        spread = share * at.tau.square()[:, None] + share.square() * at.variance[:, None]
        found = {
            "mu": (at.mean, at.variance),
            "tau": (at.tau, nothing),
            "sigma": (at.sigma, nothing),
            "effect": (effect, spread.expand_as(effect)),
        }
        return {site: mixture_moments(weights, *two, x.dtype) for site, two in found.items()}


def integrate(x: Tensor) -> Given:
    """Integrates effects and mu in closed form, at nodes for tau and sigma.

    Given both, the means of the groups are independent draws of N(mu, tau^2 + sigma^2 / J). The
    trapezoidal rule on log tau and log sigma has steps well below the posterior's sd, which falls
    with the number of groups.

    Args:
        x: measurements, float64, shape (rows, J).

    Returns:
        tau and sigma; log of their weight times p(x | tau, sigma), nats; mean and variance of mu.
    """
    rows, count = x.shape
    log_tau, log_sigma = (_nodes(x, n) for n in (rows, rows * (count - 1)))
    step = torch.stack([log_tau[1] - log_tau[0], log_sigma[1] - log_sigma[0]]).log().sum()
    log_tau, log_sigma = torch.cartesian_prod(log_tau, log_sigma).unbind(-1)
    tau, sigma, means = log_tau.exp(), log_sigma.exp(), x.mean(-1)
    within = (x - means[:, None]).square().sum()
    variance = tau.square() + sigma.square() / count  # of the mean of a group
    precision = rows / variance + MEAN_SCALE**-2
    mean = means.sum() / variance / precision
    square = means.square().sum() / variance - precision * mean.square()
    square = square + within / sigma.square()
    log_det = rows * (variance.log() + math.log(count) + count * math.log(2 * math.pi))
    log_det = log_det + 2 * rows * (count - 1) * log_sigma + (MEAN_SCALE**2 * precision).log()
    prior = dist.HalfNormal(x.new_tensor(SPREAD_SCALE))
    log_prior = prior.log_prob(tau) + prior.log_prob(sigma) + log_tau + log_sigma + step
    return Given(tau, sigma, log_prior - 0.5 * (log_det + square), mean, 1 / precision)


def _nodes(x: Tensor, measurements: int) -> Tensor:
    """Logarithms of a scale that about that many measurements tell of: sd 1 / sqrt(2 n)."""
    count = math.ceil(NODES_PER_SD * (HIGHEST - LOWEST) * math.sqrt(2 * measurements)) + 2
    return torch.linspace(LOWEST, HIGHEST, count, dtype=x.dtype, device=x.device)
