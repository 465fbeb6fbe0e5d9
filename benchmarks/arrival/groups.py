"""A mixture and three hierarchical posteriors, as Pyro's users write them, and their data."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from numpy.random import Generator
from torch import Tensor

from benchmarks.arrival.posterior import Arrays


def mixture(y: Tensor) -> None:
    """Waiting times of two kinds, in minutes; which kind each is of is summed out.

    Dimension 5: the lower mean, the distance to the other, 2 sds and the share of the lower kind.
    Hard: from u = 0 both components lie 50 minutes below the data.

    Args:
        y: minutes (200,).
    """
    low = pyro.sample("low", dist.Normal(60.0, 20.0))
    gap = pyro.sample("gap", dist.HalfNormal(40.0))
    sds = pyro.sample("sds", dist.HalfNormal(20.0).expand([2]).to_event(1))
    share = pyro.sample("share", dist.Beta(2.0, 2.0))
    means = torch.stack([low, low + gap], -1)
    shares = torch.stack([share, 1 - share], -1)
    with pyro.plate("data", len(y)):
        kinds = dist.Categorical(shares)
        pyro.sample("y", dist.MixtureSameFamily(kinds, dist.Normal(means, sds)), obs=y)


def simulate_mixture(rng: Generator) -> Arrays:
    low = rng.random(200) < 0.35
    return {"y": np.where(low, 55.0, 75.0) + np.where(low, 6.0, 7.0) * rng.standard_normal(200)}


def schools_centred(sigma: Tensor, y: Tensor) -> None:
    """Eight schools, centred.

    Dimension 10: mu, tau and 8 effects. Hard: a funnel, as a smaller tau holds the effects closer
    together. The density has no mode.

    Args:
        sigma: standard errors (8,).
        y: observed effects (8,).
    """
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("schools", len(y)):
        theta = pyro.sample("theta", dist.Normal(mu, tau))
        pyro.sample("y", dist.Normal(theta, sigma), obs=y)


def schools_noncentred(sigma: Tensor, y: Tensor) -> None:
    """Eight schools, non-centred.

    Dimension 10: mu, tau and 8 standardised effects. Less hard: only tau is far from normal.

    Args:
        sigma: standard errors (8,).
        y: observed effects (8,).
    """
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("schools", len(y)):
        eta = pyro.sample("eta", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(mu + tau * eta, sigma), obs=y)


def simulate_schools(rng: Generator) -> Arrays:  # noqa: ARG001
    """The data of Rubin 1981; nothing is drawn."""
    sigma = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    return {"sigma": sigma, "y": np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])}


def varying_slopes(group: Tensor, x: Tensor, y: Tensor) -> None:
    """Reaction times of 30 people over 10 days, each with an intercept and a slope of their own.

    Dimension 65: 2 means, 2 sds between people, the noise, and 2 standardised effects for each
    person. Hard: many dimensions, and a mean near 250 that all standardised effects depend on.

    Args:
        group: person 0 to 29 (300,).
        x: day (300,).
        y: milliseconds (300,).
    """
    level = pyro.sample("level", dist.Normal(0.0, 500.0))
    trend = pyro.sample("trend", dist.Normal(0.0, 50.0))
    level_sd = pyro.sample("level_sd", dist.HalfNormal(100.0))
    trend_sd = pyro.sample("trend_sd", dist.HalfNormal(20.0))
    noise = pyro.sample("noise", dist.HalfNormal(100.0))
    with pyro.plate("people", 30):
        levels = level + level_sd * pyro.sample("eta_level", dist.Normal(0.0, 1.0))
        trends = trend + trend_sd * pyro.sample("eta_trend", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(y)):
        mean = levels[..., group] + trends[..., group] * x
        pyro.sample("y", dist.Normal(mean, noise), obs=y)


def simulate_varying_slopes(rng: Generator) -> Arrays:
    group, x = np.repeat(np.arange(30), 10), np.tile(np.arange(10.0), 30)
    levels, trends = 250 + 25 * rng.standard_normal(30), 10 + 6 * rng.standard_normal(30)
    y = levels[group] + trends[group] * x + 25 * rng.standard_normal(300)
    return {"group": group, "x": x, "y": y}
