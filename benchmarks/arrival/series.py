"""Four posteriors of time series, as Pyro's users write them, and their simulated data."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from numpy.random import Generator
from torch import Tensor

from benchmarks.arrival.posterior import Arrays


def autoregression(y: Tensor) -> None:
    """AR(2) of a series on its raw level near 500.

    Dimension 4: the constant, 2 coefficients and the noise. Hard: the series is not centred, so
    that the constant is c = 500 (1 - sum of the coefficients), with a correlation near -1.

    Args:
        y: the series (200,).
    """
    constant = pyro.sample("constant", dist.Normal(0.0, 500.0))
    first = pyro.sample("first", dist.Normal(0.0, 1.0))
    second = pyro.sample("second", dist.Normal(0.0, 1.0))
    noise = pyro.sample("noise", dist.HalfNormal(50.0))
    with pyro.plate("time", len(y) - 2):
        mean = constant + first * y[1:-1] + second * y[:-2]
        pyro.sample("y", dist.Normal(mean, noise), obs=y[2:])


def simulate_autoregression(rng: Generator) -> Arrays:
    level, steps = [500.0, 500.0], 5 * rng.standard_normal(300)
    for step in steps:
        level.append(500 + 0.7 * (level[-1] - 500) + 0.2 * (level[-2] - 500) + step)
    return {"y": np.array(level[-200:])}


def garch(y: Tensor) -> None:
    """GARCH(1, 1) of daily returns in basis points, with parameters for which it is stationary.

        h_t = a_0 + a e_{t-1}^2 + b h_{t-1},   e_t = y_t - m,   a + b < 1

    Dimension 4: m, a_0, a + b, and a / (a + b). Hard: the data say little of each, the posterior
    is bent, and a_0 is near 1000 while the shares lie in (0, 1).

    Args:
        y: returns (150,).
    """
    mean = pyro.sample("mean", dist.Normal(0.0, 100.0))
    base = pyro.sample("base", dist.HalfNormal(5000.0))
    persistence = pyro.sample("persistence", dist.Uniform(0.0, 1.0))
    share = pyro.sample("share", dist.Uniform(0.0, 1.0))
    squares = (y - mean.unsqueeze(-1)).square()
    variance, variances = torch.full_like(squares[..., 0], 1e4), []
    for t in range(len(y)):
        variances.append(variance)
        grown = share * squares[..., t] + (1 - share) * variance
        variance = base + persistence * grown
    scale = torch.stack(variances, -1).sqrt()
    pyro.sample("y", dist.Normal(mean.unsqueeze(-1), scale).to_event(1), obs=y)


def simulate_garch(rng: Generator) -> Arrays:
    variance, returns = 1e4, []
    for z in rng.standard_normal(150):
        returns.append(10 + variance**0.5 * z)
        variance = 1000 + 0.25 * variance * z**2 + 0.65 * variance
    return {"y": np.array(returns)}


def changepoint(y: Tensor) -> None:
    """Poisson counts whose rate changes once, at a time that is summed out.

    Dimension 2: the rates before and after. Hard: from u = 0 both rates are 1, where the
    likelihood is 1e4 nats lower; and the sum over times has more than one hill.

    Args:
        y: counts (110,).
    """
    early = pyro.sample("early", dist.Exponential(1 / 200))
    late = pyro.sample("late", dist.Exponential(1 / 200))
    before = dist.Poisson(early.unsqueeze(-1)).log_prob(y)
    after = dist.Poisson(late.unsqueeze(-1)).log_prob(y)
    change = (before - after)[..., :-1].cumsum(-1) + after.sum(-1, keepdim=True)
    pyro.factor("counts", change.logsumexp(-1))


def simulate_changepoint(rng: Generator) -> Arrays:
    rates = np.where(np.arange(110) < 40, 120.0, 112.0)
    return {"y": rng.poisson(rates).astype(float)}


def gp_regression(x: Tensor, y: Tensor) -> None:
    """Three hyperparameters of a Gaussian process, whose values are integrated out.

    Dimension 3: length, amplitude and noise. Hard: the length is near 15 days and the amplitude
    near 30, and the posterior has a long tail of lengths. Written for one draw at a time: it does
    not broadcast over particles.

    Args:
        x: days (40,).
        y: observations (40,).
    """
    length = pyro.sample("length", dist.LogNormal(3.0, 1.0))
    amplitude = pyro.sample("amplitude", dist.HalfNormal(50.0))
    noise = pyro.sample("noise", dist.HalfNormal(20.0))
    kernel = amplitude**2 * torch.exp(-0.5 * ((x[:, None] - x) / length) ** 2)
    covariance = kernel + (noise**2 + 1e-3) * torch.eye(len(x))
    pyro.sample("y", dist.MultivariateNormal(torch.zeros(len(x)), covariance), obs=y)


def simulate_gp_regression(rng: Generator) -> Arrays:
    x = np.sort(rng.uniform(0, 100, 40))
    kernel = 30**2 * np.exp(-0.5 * ((x[:, None] - x) / 15) ** 2)
    f = np.linalg.cholesky(kernel + 1e-6 * np.eye(40)) @ rng.standard_normal(40)
    return {"x": x, "y": f + 8 * rng.standard_normal(40)}
