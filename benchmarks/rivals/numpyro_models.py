"""Models of few parameters in NumPyro, as its users write them, and the clock of all its rows.

The hidden Markov model has the forward algorithm as a factor, which is how NumPyro's own example
sums over states; networks are in `numpyro_networks`.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.example_libraries import stax
from jax.scipy.special import logsumexp
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoIAFNormal, AutoMultivariateNormal, AutoNormal

AUTO = {  # the flow as wide and as deep as the zoo's for ten latents
    "mean_field": AutoNormal,
    "full_rank": AutoMultivariateNormal,
    "iaf": partial(AutoIAFNormal, num_flows=2, hidden_dims=[20], nonlinearity=stax.Relu),
}


def eight_schools(sigma, y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("schools", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def logistic_regression(x, y, size=None):
    """All rows, or a minibatch that stands for `size` of them."""
    beta = numpyro.sample("beta", dist.Normal(jnp.zeros(x.shape[1]), 1.0).to_event(1))
    with numpyro.handlers.scale(scale=(size or len(x)) / len(x)), numpyro.plate("data", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=x @ beta), obs=y)


def normal_means(y):
    """As many unknown means as there are observations."""
    mean = numpyro.sample("mean", dist.Normal(jnp.zeros(len(y)), 1.0).to_event(1))
    numpyro.sample("y", dist.Normal(mean, 1.0).to_event(1), obs=y)


def hidden_markov(x, size, states=3):
    """Many short series; the states are summed out by the forward algorithm."""
    initial = numpyro.param("initial_logits", jnp.zeros(states))
    transition = jax.nn.log_softmax(numpyro.param("transition_logits", jnp.eye(states)))
    means = numpyro.param("means", lambda key: jax.random.normal(key, (states,)))
    scales = jnp.exp(numpyro.param("log_scales", jnp.zeros(states)))
    emission = dist.Normal(means, scales).log_prob(x[..., None])  # (rows, times, states)

    def step(message, emitted):
        return logsumexp(message[:, :, None] + transition, axis=1) + emitted, None

    first = jax.nn.log_softmax(initial) + emission[:, 0]
    last, _ = jax.lax.scan(step, first, emission[:, 1:].swapaxes(0, 1))
    with numpyro.handlers.scale(scale=size / len(x)), numpyro.plate("data", len(x)):
        numpyro.factor("x", logsumexp(last, axis=-1))


def garch(y):
    """The zoo's GARCH(1, 1), its variance by a scan."""
    m = numpyro.sample("m", dist.Normal(0.0, 1.0))
    base = numpyro.sample("base", dist.HalfNormal(1.0))
    persistence = numpyro.sample("persistence", dist.Uniform(0.0, 1.0))
    share = numpyro.sample("share", dist.Uniform(0.0, 1.0))

    def step(variance, square):
        return base + persistence * (share * square + (1 - share) * variance), variance

    _, variances = jax.lax.scan(step, jnp.ones_like(m), jnp.square(y - m))
    numpyro.sample("y", dist.Normal(m, jnp.sqrt(variances)).to_event(1), obs=y)


def network_walk(y, size=8, width=16):
    """States that move by a network and by noise of all times; of the zoo's benchmark of scans."""
    noise = numpyro.sample("noise", dist.Normal(jnp.zeros((*y.shape, size)), 1.0).to_event(3))
    shapes = {"first": (size, width), "second": (width, size), "out": (size,)}
    first, second, out = (
        numpyro.param(name, lambda key, shape=shape: 0.1 * jax.random.normal(key, shape))
        for name, shape in shapes.items()
    )

    def step(state, e):
        state = 0.9 * state + jnp.tanh(state @ first) @ second + e
        return state, state @ out

    _, means = jax.lax.scan(step, jnp.zeros((y.shape[1], size)), noise)
    numpyro.sample("y", dist.Normal(means, 1.0).to_event(2), obs=y)


def nothing(*args):
    """The guide of a model without latents."""


def auto(model, guide: str, particles: int) -> SVI:
    """An autoguide on a model of global latents."""
    return SVI(model, AUTO[guide](model), numpyro.optim.Adam(0.01), Trace_ELBO(particles))


def without_latents(model, lr: float) -> SVI:
    """A model whose latents are summed out; its parameters are trained."""
    return SVI(model, nothing, numpyro.optim.Adam(lr), Trace_ELBO())


def time_steps(
    svi: SVI, data, batch: int | None, steps: int, replicas: int | None = None
) -> tuple[float, float]:
    """Seconds a step and seconds to build: one scan, minibatches gathered inside it.

    A step of several replicas, each with noise and minibatches of its own, is the scan's vmap.
    """
    data = tuple(jnp.asarray(column) for column in data)
    first = data if batch is None else tuple(column[:batch] for column in data)
    order = None if batch is None else _orders(len(data[0]), batch, steps, replicas or 1)

    def run(state, data, order):
        def step(state, rows):
            taken = data if rows is None else tuple(column[rows] for column in data)
            return svi.update(state, *taken)

        return jax.lax.scan(step, state, order, steps)

    def begin(key):
        return svi.init(key, *first)

    key = jax.random.PRNGKey(0)
    if replicas is None:
        state, order = begin(key), None if order is None else order[0]
    else:
        state = jax.vmap(begin)(jax.random.split(key, replicas))
        run = jax.vmap(run, in_axes=(0, None, None if order is None else 0))
    return _time(partial(jax.jit(run), state, data, order), steps)


def _orders(rows: int, batch: int, steps: int, replicas: int):
    orders = [
        np.resize(
            np.random.default_rng(seed).permutation(rows)[: rows // batch * batch], (steps, batch)
        )
        for seed in range(replicas)
    ]
    return jnp.asarray(np.stack(orders))


def _time(run, steps: int) -> tuple[float, float]:
    begin = time.perf_counter()
    jax.block_until_ready(run())
    build = time.perf_counter() - begin
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        jax.block_until_ready(run())
        best = min(best, time.perf_counter() - begin)
    return best / steps, build - best
