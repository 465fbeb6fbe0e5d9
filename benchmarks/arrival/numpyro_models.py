"""The fourteen posteriors in NumPyro, written as its users write them; the data are arguments."""

from collections.abc import Callable

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array, lax
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm


def raw_regression(x: Array, y: Array) -> None:
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 1e5))
    slopes = numpyro.sample("slopes", dist.Normal(0.0, 100.0).expand([x.shape[1]]).to_event(1))
    noise = numpyro.sample("noise", dist.HalfNormal(1e4))
    with numpyro.plate("data", len(x)):
        numpyro.sample("y", dist.Normal(intercept + x @ slopes, noise), obs=y)


def collinear_regression(x: Array, y: Array) -> None:
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 100.0))
    slopes = numpyro.sample("slopes", dist.Normal(0.0, 50.0).expand([x.shape[1]]).to_event(1))
    noise = numpyro.sample("noise", dist.HalfNormal(50.0))
    with numpyro.plate("data", len(x)):
        numpyro.sample("y", dist.Normal(intercept + x @ slopes, noise), obs=y)


def autoregression(y: Array) -> None:
    constant = numpyro.sample("constant", dist.Normal(0.0, 500.0))
    first = numpyro.sample("first", dist.Normal(0.0, 1.0))
    second = numpyro.sample("second", dist.Normal(0.0, 1.0))
    noise = numpyro.sample("noise", dist.HalfNormal(50.0))
    mean = constant + first * y[1:-1] + second * y[:-2]
    with numpyro.plate("time", len(y) - 2):
        numpyro.sample("y", dist.Normal(mean, noise), obs=y[2:])


def garch(y: Array) -> None:
    mean = numpyro.sample("mean", dist.Normal(0.0, 100.0))
    base = numpyro.sample("base", dist.HalfNormal(5000.0))
    persistence = numpyro.sample("persistence", dist.Uniform(0.0, 1.0))
    share = numpyro.sample("share", dist.Uniform(0.0, 1.0))

    def step(variance: Array, square: Array) -> tuple[Array, Array]:
        grown = share * square + (1 - share) * variance
        return base + persistence * grown, variance

    _, variances = lax.scan(step, jnp.full_like(mean, 1e4), jnp.square(y - mean))
    numpyro.sample("y", dist.Normal(mean, jnp.sqrt(variances)).to_event(1), obs=y)


def mixture(y: Array) -> None:
    low = numpyro.sample("low", dist.Normal(60.0, 20.0))
    gap = numpyro.sample("gap", dist.HalfNormal(40.0))
    sds = numpyro.sample("sds", dist.HalfNormal(20.0).expand([2]).to_event(1))
    share = numpyro.sample("share", dist.Beta(2.0, 2.0))
    kinds = dist.Categorical(probs=jnp.stack([share, 1 - share]))
    means = jnp.stack([low, low + gap])
    with numpyro.plate("data", len(y)):
        numpyro.sample("y", dist.MixtureSameFamily(kinds, dist.Normal(means, sds)), obs=y)


def schools_centred(sigma: Array, y: Array) -> None:
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("schools", len(y)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def schools_noncentred(sigma: Array, y: Array) -> None:
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("schools", len(y)):
        eta = numpyro.sample("eta", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(mu + tau * eta, sigma), obs=y)


def varying_slopes(group: Array, x: Array, y: Array) -> None:
    level = numpyro.sample("level", dist.Normal(0.0, 500.0))
    trend = numpyro.sample("trend", dist.Normal(0.0, 50.0))
    level_sd = numpyro.sample("level_sd", dist.HalfNormal(100.0))
    trend_sd = numpyro.sample("trend_sd", dist.HalfNormal(20.0))
    noise = numpyro.sample("noise", dist.HalfNormal(100.0))
    with numpyro.plate("people", 30):
        levels = level + level_sd * numpyro.sample("eta_level", dist.Normal(0.0, 1.0))
        trends = trend + trend_sd * numpyro.sample("eta_trend", dist.Normal(0.0, 1.0))
    with numpyro.plate("data", len(y)):
        numpyro.sample("y", dist.Normal(levels[group] + trends[group] * x, noise), obs=y)


def logistic(x: Array, y: Array) -> None:
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 10.0))
    slopes = numpyro.sample("slopes", dist.Normal(0.0, 3.0).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("data", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=intercept + x @ slopes), obs=y)


def gp_regression(x: Array, y: Array) -> None:
    length = numpyro.sample("length", dist.LogNormal(3.0, 1.0))
    amplitude = numpyro.sample("amplitude", dist.HalfNormal(50.0))
    noise = numpyro.sample("noise", dist.HalfNormal(20.0))
    kernel = amplitude**2 * jnp.exp(-0.5 * ((x[:, None] - x) / length) ** 2)
    covariance = kernel + (noise**2 + 1e-3) * jnp.eye(len(x))
    numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(x)), covariance), obs=y)


def ordered_probit(x: Array, y: Array) -> None:
    slopes = numpyro.sample("slopes", dist.Normal(0.0, 2.0).expand([3]).to_event(1))
    first = numpyro.sample("first", dist.Normal(0.0, 20.0))
    gaps = numpyro.sample("gaps", dist.HalfNormal(5.0).expand([3]).to_event(1))
    cuts = jnp.concatenate([first[None], first + jnp.cumsum(gaps)])
    below = norm.cdf(cuts - (x @ slopes)[:, None])
    ends = jnp.zeros((len(x), 1)), jnp.ones((len(x), 1))
    shares = jnp.clip(jnp.diff(jnp.concatenate([ends[0], below, ends[1]], 1)), 1e-6)
    shares = shares / shares.sum(-1, keepdims=True)
    with numpyro.plate("data", len(x)):
        numpyro.sample("y", dist.Categorical(probs=shares), obs=y)


def changepoint(y: Array) -> None:
    early = numpyro.sample("early", dist.Exponential(1 / 200))
    late = numpyro.sample("late", dist.Exponential(1 / 200))
    before, after = dist.Poisson(early).log_prob(y), dist.Poisson(late).log_prob(y)
    change = jnp.cumsum((before - after)[:-1]) + after.sum()
    numpyro.factor("counts", logsumexp(change))


def counts_by_exposure(x: Array, exposure: Array, y: Array) -> None:
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 10.0))
    slopes = numpyro.sample("slopes", dist.Normal(0.0, 2.0).expand([x.shape[1]]).to_event(1))
    concentration = numpyro.sample("concentration", dist.HalfNormal(20.0))
    mean = exposure * jnp.exp(intercept + x @ slopes)
    with numpyro.plate("data", len(x)):
        numpyro.sample("y", dist.NegativeBinomial2(mean, concentration), obs=y)


def robust_regression(x: Array, y: Array) -> None:
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 1000.0))
    slopes = numpyro.sample("slopes", dist.Normal(0.0, 100.0).expand([3]).to_event(1))
    scale = numpyro.sample("scale", dist.HalfNormal(100.0))
    freedom = numpyro.sample("freedom", dist.Gamma(2.0, 0.1))
    with numpyro.plate("data", len(x)):
        numpyro.sample("y", dist.StudentT(freedom, intercept + x @ slopes, scale), obs=y)


def model_of(name: str) -> Callable[..., None]:
    """The model of a posterior by its name."""
    return globals()[name]
