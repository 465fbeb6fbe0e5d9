"""The fourteen posteriors in PyMC, written as its users write them."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

from benchmarks.arrival.posterior import Arrays


def raw_regression(x: np.ndarray, y: np.ndarray) -> None:
    intercept = pm.Normal("intercept", 0.0, 1e5)
    slopes = pm.Normal("slopes", 0.0, 100.0, shape=x.shape[1])
    noise = pm.HalfNormal("noise", 1e4)
    pm.Normal("y", intercept + x @ slopes, noise, observed=y)


def collinear_regression(x: np.ndarray, y: np.ndarray) -> None:
    intercept = pm.Normal("intercept", 0.0, 100.0)
    slopes = pm.Normal("slopes", 0.0, 50.0, shape=x.shape[1])
    noise = pm.HalfNormal("noise", 50.0)
    pm.Normal("y", intercept + x @ slopes, noise, observed=y)


def autoregression(y: np.ndarray) -> None:
    constant = pm.Normal("constant", 0.0, 500.0)
    first = pm.Normal("first", 0.0, 1.0)
    second = pm.Normal("second", 0.0, 1.0)
    noise = pm.HalfNormal("noise", 50.0)
    pm.Normal("y", constant + first * y[1:-1] + second * y[:-2], noise, observed=y[2:])


def garch(y: np.ndarray) -> None:
    mean = pm.Normal("mean", 0.0, 100.0)
    base = pm.HalfNormal("base", 5000.0)
    persistence = pm.Uniform("persistence", 0.0, 1.0)
    share = pm.Uniform("share", 0.0, 1.0)

    def step(square, variance, base, persistence, share):
        return base + persistence * (share * square + (1 - share) * variance)

    later = pytensor.scan(
        step,
        sequences=pt.sqr(y[:-1] - mean),
        outputs_info=pt.constant(1e4, dtype="float64"),
        non_sequences=[base, persistence, share],
        return_updates=False,
    )
    variances = pt.concatenate([[1e4], later])
    pm.Normal("y", mean, pt.sqrt(variances), observed=y)


def mixture(y: np.ndarray) -> None:
    low = pm.Normal("low", 60.0, 20.0)
    gap = pm.HalfNormal("gap", 40.0)
    sds = pm.HalfNormal("sds", 20.0, shape=2)
    share = pm.Beta("share", 2.0, 2.0)
    shares, means = pt.stack([share, 1 - share]), pt.stack([low, low + gap])
    pm.NormalMixture("y", w=shares, mu=means, sigma=sds, observed=y)


def schools_centred(sigma: np.ndarray, y: np.ndarray) -> None:
    mu = pm.Normal("mu", 0.0, 5.0)
    tau = pm.HalfCauchy("tau", 5.0)
    theta = pm.Normal("theta", mu, tau, shape=len(y))
    pm.Normal("y", theta, sigma, observed=y)


def schools_noncentred(sigma: np.ndarray, y: np.ndarray) -> None:
    mu = pm.Normal("mu", 0.0, 5.0)
    tau = pm.HalfCauchy("tau", 5.0)
    eta = pm.Normal("eta", 0.0, 1.0, shape=len(y))
    pm.Normal("y", mu + tau * eta, sigma, observed=y)


def varying_slopes(group: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    level = pm.Normal("level", 0.0, 500.0)
    trend = pm.Normal("trend", 0.0, 50.0)
    level_sd = pm.HalfNormal("level_sd", 100.0)
    trend_sd = pm.HalfNormal("trend_sd", 20.0)
    noise = pm.HalfNormal("noise", 100.0)
    levels = level + level_sd * pm.Normal("eta_level", 0.0, 1.0, shape=30)
    trends = trend + trend_sd * pm.Normal("eta_trend", 0.0, 1.0, shape=30)
    pm.Normal("y", levels[group] + trends[group] * x, noise, observed=y)


def logistic(x: np.ndarray, y: np.ndarray) -> None:
    intercept = pm.Normal("intercept", 0.0, 10.0)
    slopes = pm.Normal("slopes", 0.0, 3.0, shape=x.shape[1])
    pm.Bernoulli("y", logit_p=intercept + x @ slopes, observed=y)


def gp_regression(x: np.ndarray, y: np.ndarray) -> None:
    length = pm.LogNormal("length", 3.0, 1.0)
    amplitude = pm.HalfNormal("amplitude", 50.0)
    noise = pm.HalfNormal("noise", 20.0)
    kernel = amplitude**2 * pt.exp(-0.5 * ((x[:, None] - x) / length) ** 2)
    covariance = kernel + (noise**2 + 1e-3) * np.eye(len(x))
    pm.MvNormal("y", np.zeros(len(x)), covariance, observed=y)


def ordered_probit(x: np.ndarray, y: np.ndarray) -> None:
    slopes = pm.Normal("slopes", 0.0, 2.0, shape=3)
    first = pm.Normal("first", 0.0, 20.0)
    gaps = pm.HalfNormal("gaps", 5.0, shape=3)
    cuts = pt.concatenate([[first], first + pt.cumsum(gaps)])
    below = 0.5 * (1 + pt.erf((cuts - (x @ slopes)[:, None]) / np.sqrt(2)))
    ends = np.zeros((len(x), 1)), np.ones((len(x), 1))
    shares = pt.maximum(pt.diff(pt.concatenate([ends[0], below, ends[1]], 1)), 1e-6)
    pm.Categorical("y", p=shares / shares.sum(-1, keepdims=True), observed=y)


def changepoint(y: np.ndarray) -> None:
    early = pm.Exponential("early", 1 / 200)
    late = pm.Exponential("late", 1 / 200)
    before = pm.logp(pm.Poisson.dist(early, shape=len(y)), y)
    after = pm.logp(pm.Poisson.dist(late, shape=len(y)), y)
    change = pt.cumsum((before - after)[:-1]) + after.sum()
    pm.Potential("counts", pt.logsumexp(change))


def counts_by_exposure(x: np.ndarray, exposure: np.ndarray, y: np.ndarray) -> None:
    intercept = pm.Normal("intercept", 0.0, 10.0)
    slopes = pm.Normal("slopes", 0.0, 2.0, shape=x.shape[1])
    concentration = pm.HalfNormal("concentration", 20.0)
    mean = exposure * pt.exp(intercept + x @ slopes)
    pm.NegativeBinomial("y", mu=mean, alpha=concentration, observed=y)


def robust_regression(x: np.ndarray, y: np.ndarray) -> None:
    intercept = pm.Normal("intercept", 0.0, 1000.0)
    slopes = pm.Normal("slopes", 0.0, 100.0, shape=3)
    scale = pm.HalfNormal("scale", 100.0)
    freedom = pm.Gamma("freedom", 2.0, 0.1)
    pm.StudentT("y", nu=freedom, mu=intercept + x @ slopes, sigma=scale, observed=y)


def model_of(name: str, data: Arrays) -> pm.Model:
    """The model of a posterior by its name, with its data."""
    with pm.Model() as model:
        globals()[name](**data)
    return model
