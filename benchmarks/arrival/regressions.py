"""Six regressions with raw scales, as Pyro's users write them, and their simulated data."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from numpy.random import Generator
from torch import Tensor

from benchmarks.arrival.posterior import Arrays


def raw_regression(x: Tensor, y: Tensor) -> None:
    """Predictors near 3000 and responses near 1e4, in their raw units.

    Dimension 5: the intercept, 3 slopes and the noise. Hard: the posterior sds run from 0.05 to
    700, the means lie up to 1e4 from 0, and the intercept is correlated with each slope.

    Args:
        x: predictors (200, 3).
        y: responses (200,).
    """
    intercept = pyro.sample("intercept", dist.Normal(0.0, 1e5))
    slopes = pyro.sample("slopes", dist.Normal(0.0, 100.0).expand([x.shape[1]]).to_event(1))
    noise = pyro.sample("noise", dist.HalfNormal(1e4))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal(intercept + (x * slopes).sum(-1), noise), obs=y)


def simulate_raw_regression(rng: Generator) -> Arrays:
    x = 3000 + 1000 * rng.standard_normal((200, 3))
    y = 2000 + x @ [3.0, -1.0, 0.5] + 700 * rng.standard_normal(200)
    return {"x": x, "y": y}


def collinear_regression(x: Tensor, y: Tensor) -> None:
    """Two of four predictors have a correlation of 0.999.

    Dimension 6: the intercept, 4 slopes and the noise. Hard: two slopes have a posterior
    correlation near -0.999, so that one direction is 40 times as wide as the other.

    Args:
        x: predictors (150, 4).
        y: responses (150,).
    """
    intercept = pyro.sample("intercept", dist.Normal(0.0, 100.0))
    slopes = pyro.sample("slopes", dist.Normal(0.0, 50.0).expand([x.shape[1]]).to_event(1))
    noise = pyro.sample("noise", dist.HalfNormal(50.0))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal(intercept + (x * slopes).sum(-1), noise), obs=y)


def simulate_collinear_regression(rng: Generator) -> Arrays:
    x = rng.standard_normal((150, 4))
    x[:, 1] = 0.999 * x[:, 0] + (1 - 0.999**2) ** 0.5 * x[:, 1]
    y = 20 + x @ [4.0, -2.0, 3.0, 0.0] + 5 * rng.standard_normal(150)
    return {"x": x, "y": y}


def logistic(x: Tensor, y: Tensor) -> None:
    """Logistic regression with 50 predictors in different units.

    Dimension 51: the intercept and 50 slopes. Hard: the units differ by factors up to 100, there
    are only 4 rows to a predictor, and neighbouring predictors are correlated.

    Args:
        x: predictors (200, 50).
        y: 0 or 1 (200,).
    """
    intercept = pyro.sample("intercept", dist.Normal(0.0, 10.0))
    slopes = pyro.sample("slopes", dist.Normal(0.0, 3.0).expand([x.shape[1]]).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Bernoulli(logits=intercept + (x * slopes).sum(-1)), obs=y)


def simulate_logistic(rng: Generator) -> Arrays:
    x = rng.standard_normal((200, 50))
    x[:, 1:] = 0.6 * x[:, :-1] + 0.8 * x[:, 1:]
    slopes = 0.4 * rng.standard_normal(50)
    probability = 1 / (1 + np.exp(-(x @ slopes - 0.5)))
    y = (rng.random(200) < probability).astype(float)
    return {"x": x * 10 ** rng.uniform(-1, 1, 50), "y": y}


def ordered_probit(x: Tensor, y: Tensor) -> None:
    """Answers in five ordered classes, by age, income and a switch.

    Dimension 7: 3 slopes, the first cut point and 3 distances to the next. Hard: age and income
    are raw (near 45 and 40), so that all cut points move with their slopes. The first cut point is
    10 away from 0. Written for one draw at a time: it does not broadcast over particles.

    Args:
        x: age in years, income in thousands, 0 or 1 (250, 3).
        y: class 0 to 4 (250,).
    """
    slopes = pyro.sample("slopes", dist.Normal(0.0, 2.0).expand([3]).to_event(1))
    first = pyro.sample("first", dist.Normal(0.0, 20.0))
    gaps = pyro.sample("gaps", dist.HalfNormal(5.0).expand([3]).to_event(1))
    cuts = torch.cat([first.reshape(1), first + torch.cumsum(gaps, 0)])
    below = dist.Normal(0.0, 1.0).cdf(cuts - (x @ slopes)[:, None])
    ends = below.new_zeros(len(x), 1), below.new_ones(len(x), 1)
    shares = torch.diff(torch.cat([ends[0], below, ends[1]], 1)).clamp(min=1e-6)
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Categorical(shares), obs=y)


def simulate_ordered_probit(rng: Generator) -> Arrays:
    age, income = rng.uniform(20, 70, 250), 40 + 15 * rng.standard_normal(250)
    x = np.stack([age, income, rng.random(250) < 0.4], 1)
    level = x @ [0.03, 0.05, 0.6] + rng.standard_normal(250)
    return {"x": x, "y": np.searchsorted([2.0, 3.0, 3.8, 5.0], level)}


def counts_by_exposure(x: Tensor, exposure: Tensor, y: Tensor) -> None:
    """Negative binomial counts whose mean is an exposure times a rate near 1e-3.

    Dimension 5: the intercept, 3 slopes and the concentration. Hard: exposures run from 1e3 to
    1e5, so that the likelihood at the starting point u = 0 is far below that of the posterior.

    Args:
        x: predictors (200, 3).
        exposure: person-years (200,).
        y: counts (200,).
    """
    intercept = pyro.sample("intercept", dist.Normal(0.0, 10.0))
    slopes = pyro.sample("slopes", dist.Normal(0.0, 2.0).expand([x.shape[1]]).to_event(1))
    concentration = pyro.sample("concentration", dist.HalfNormal(20.0))
    mean = exposure * (intercept + (x * slopes).sum(-1)).exp()
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.GammaPoisson(concentration, concentration / mean), obs=y)


def simulate_counts_by_exposure(rng: Generator) -> Arrays:
    x, exposure = rng.standard_normal((200, 3)), 10 ** rng.uniform(3, 5, 200)
    mean = exposure * np.exp(-7 + x @ [0.5, -0.3, 0.0])
    y = rng.poisson(rng.gamma(3.0, mean / 3.0)).astype(float)
    return {"x": x, "exposure": exposure, "y": y}


def robust_regression(x: Tensor, y: Tensor) -> None:
    """Student-t noise with unknown degrees of freedom; a tenth of the rows are outliers.

    Dimension 6: the intercept, 3 slopes, the scale and the degrees of freedom. Hard: scale and
    degrees of freedom depend on each other, and far from the posterior the gradient grows only
    slowly with the distance. Written for one draw at a time: it does not broadcast over particles.

    Args:
        x: predictors (120, 3).
        y: responses (120,).
    """
    intercept = pyro.sample("intercept", dist.Normal(0.0, 1000.0))
    slopes = pyro.sample("slopes", dist.Normal(0.0, 100.0).expand([3]).to_event(1))
    scale = pyro.sample("scale", dist.HalfNormal(100.0))
    freedom = pyro.sample("freedom", dist.Gamma(2.0, 0.1))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.StudentT(freedom, intercept + x @ slopes, scale), obs=y)


def simulate_robust_regression(rng: Generator) -> Arrays:
    x = 10 + 5 * rng.standard_normal((120, 3))
    y = 200 + x @ [5.0, -3.0, 1.0] + 10 * rng.standard_normal(120)
    return {"x": x, "y": y + 150 * (rng.random(120) < 0.1) * rng.standard_normal(120)}
