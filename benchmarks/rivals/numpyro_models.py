"""The same models in NumPyro, written as its users write them, stepped by one jitted lax.scan."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.example_libraries import stax
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoIAFNormal, AutoMultivariateNormal, AutoNormal

AUTO = {"mean_field": AutoNormal, "full_rank": AutoMultivariateNormal, "iaf": AutoIAFNormal}


def eight_schools(sigma, y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("schools", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def logistic_regression(x, y):
    beta = numpyro.sample("beta", dist.Normal(jnp.zeros(x.shape[1]), 1.0).to_event(1))
    with numpyro.plate("data", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=x @ beta), obs=y)


def time_auto(model, guide: str, particles: int, args, steps: int) -> tuple[float, float]:
    """Seconds a step and seconds to build, of an autoguide on a model of global latents."""
    svi = SVI(model, AUTO[guide](model), numpyro.optim.Adam(0.01), Trace_ELBO(particles))
    args = tuple(jnp.asarray(arg) for arg in args)
    state = svi.init(jax.random.PRNGKey(0), *args)
    run = jax.jit(
        lambda state: jax.lax.scan(lambda s, _: svi.update(s, *args), state, None, steps)
    )
    return _time(run, state, steps)


def vae_parts(features: int, hidden: int, latent: int):
    encoder = stax.serial(
        stax.Dense(hidden),
        stax.Relu,
        stax.FanOut(2),
        stax.parallel(stax.Dense(latent), stax.serial(stax.Dense(latent), stax.Softplus)),
    )
    decoder = stax.serial(stax.Dense(hidden), stax.Relu, stax.Dense(features))

    def model(x):
        decode = numpyro.module("decoder", decoder, (len(x), latent))
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(latent), 1.0).to_event(1))
            numpyro.sample("x", dist.Bernoulli(logits=decode(z)).to_event(1), obs=x)

    def guide(x):
        encode = numpyro.module("encoder", encoder, (len(x), features))
        loc, scale = encode(x)
        with numpyro.plate("data", len(x)):
            numpyro.sample("z", dist.Normal(loc, scale).to_event(1))

    return model, guide


def time_vae(x, batch: int, hidden: int, latent: int, steps: int) -> tuple[float, float]:
    """Seconds a step and seconds to build, minibatches gathered inside the scan."""
    model, guide = vae_parts(x.shape[1], hidden, latent)
    svi = SVI(model, guide, numpyro.optim.Adam(1e-3), Trace_ELBO())
    x = jnp.asarray(x)
    state = svi.init(jax.random.PRNGKey(0), x[:batch])
    order = np.random.default_rng(0).permutation(len(x))[: len(x) // batch * batch]
    order = jnp.asarray(np.resize(order, (steps, batch)))
    run = jax.jit(lambda s: jax.lax.scan(lambda s, rows: svi.update(s, x[rows]), s, order))
    return _time(run, state, steps)


def _time(run, state, steps: int) -> tuple[float, float]:
    begin = time.perf_counter()
    jax.block_until_ready(run(state))
    build = time.perf_counter() - begin
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        jax.block_until_ready(run(state))
        best = min(best, time.perf_counter() - begin)
    return best / steps, build - best
