"""Models and guides with networks in NumPyro, written as its users write them.

Each of `PAIRS` makes a model and its guide, of the sizes of the zoo's in the row of that name.
"""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.example_libraries import stax
from numpyro.infer import SVI, Trace_ELBO, TraceGraph_ELBO

from benchmarks.rivals.numpyro_parts import (
    CONTEXT,
    LATENT,
    PIXELS,
    Gated,
    masked_network,
    moments,
    network,
    pixel_decoder,
    pixels,
    relaxed,
    rows,
    standard,
)

HIDDEN = 400
VARIABLES, CLASSES = 20, 10
GROUPS, WIDTH, LARGEST = (8, 16), 200, jnp.log(10.0)


def bernoulli_latent(size, features=64, hidden=64, latent=8):
    """Without the scale: NumPyro's score-function term would be multiplied by it twice."""

    def model(x):
        logits = numpyro.param("prior_logits", jnp.zeros(latent))
        decode = numpyro.module("decoder", network(hidden, features), (latent,))
        with rows(x, None):
            z = numpyro.sample("z", dist.Bernoulli(logits=logits).to_event(1))
            numpyro.sample("x", pixels(decode(z.astype(x.dtype))), obs=x)

    def guide(x):
        encode = numpyro.module("encoder", network(hidden, latent), (features,))
        with rows(x, None):
            numpyro.sample("z", pixels(encode(x)))

    return model, guide


def vae(size):
    def model(x):
        decode = numpyro.module("decoder", network(HIDDEN, PIXELS), (LATENT,))
        with rows(x, size):
            z = numpyro.sample("z", standard(LATENT))
            numpyro.sample("x", pixels(decode(z)), obs=x)

    def guide(x):
        encode = numpyro.module("encoder", network(HIDDEN, 2 * LATENT), (PIXELS,))
        with rows(x, size):
            numpyro.sample("z", dist.Normal(*moments(encode(x))).to_event(1))

    return model, guide


def vae_iaf(size):
    """The encoder gives a mean, a scale, and the context that both steps read."""
    model, _ = vae(size)

    def guide(x):
        encode = numpyro.module("encoder", network(HIDDEN, 2 * LATENT + CONTEXT), (PIXELS,))
        nets = [numpyro.module(f"step_{i}", masked_network(i), (LATENT,)) for i in range(2)]
        outputs = encode(x)
        base, context = outputs[..., : 2 * LATENT], outputs[..., 2 * LATENT :]
        steps = [Gated(lambda z, net=net: net(z, context)) for net in nets]
        with rows(x, size):
            q = dist.Normal(*moments(base)).to_event(1)
            numpyro.sample("z", dist.TransformedDistribution(q, steps))

    return model, guide


def categorical_vae(size):
    """Relaxed at one temperature in the prior and in the guide."""

    def model(x):
        decode = numpyro.module("decoder", network(HIDDEN, PIXELS), (VARIABLES * CLASSES,))
        with rows(x, size):
            z = numpyro.sample("z", relaxed(jnp.zeros((VARIABLES, CLASSES))))
            numpyro.sample("x", pixels(decode(z.reshape(*z.shape[:-2], -1))), obs=x)

    def guide(x):
        encode = numpyro.module("encoder", network(HIDDEN, VARIABLES * CLASSES), (PIXELS,))
        with rows(x, size):
            numpyro.sample("z", relaxed(encode(x).reshape(len(x), VARIABLES, CLASSES)))

    return model, guide


def hierarchical_path():
    """The networks from the top group down, which model and guide share."""
    top, low = GROUPS
    entrance = numpyro.module("entrance", stax.serial(stax.Dense(WIDTH), stax.Relu), (top,))
    head = numpyro.module("moments", stax.Dense(2 * low), (WIDTH,))
    cell = numpyro.module("cell", network(WIDTH, WIDTH), (WIDTH + low,))

    def group(path):
        loc, log_scale = jnp.split(head(path), 2, -1)
        return loc, jnp.exp(LARGEST * jnp.tanh(log_scale / LARGEST))

    return entrance, group, cell


def hierarchical_vae(size):
    """Two groups; the guide shifts and stretches the prior of the lower one."""

    def model(x):
        entrance, group, cell = hierarchical_path()
        leave = numpyro.module("leave", stax.Dense(PIXELS), (WIDTH,))
        with rows(x, size):
            path = entrance(numpyro.sample("z_2", standard(GROUPS[0])))
            z = numpyro.sample("z_1", dist.Normal(*group(path)).to_event(1))
            path = path + cell(jnp.concatenate([path, z], -1))
            numpyro.sample("x", pixels(leave(path)), obs=x)

    def guide(x):
        entrance, group, _ = hierarchical_path()
        climb = numpyro.module("climb", stax.serial(stax.Dense(WIDTH), stax.Relu), (PIXELS,))
        higher = numpyro.module("higher", network(WIDTH, WIDTH), (WIDTH,))
        row = numpyro.module("row", stax.Dense(2 * GROUPS[1]), (2 * WIDTH,))
        top = numpyro.module("top", stax.Dense(2 * GROUPS[0]), (WIDTH,))
        low = climb(x)
        with rows(x, size):
            q = dist.Normal(*moments(top(low + higher(low))))
            path = entrance(numpyro.sample("z_2", q.to_event(1)))
            (loc, scale), both = group(path), jnp.concatenate([path, low], -1)
            shift, stretch = moments(row(both))
            q = dist.Normal(loc + scale * shift, scale * stretch)
            numpyro.sample("z_1", q.to_event(1))

    return model, guide


def pixel_vae(size):
    """Each pixel given those before it, by masked convolutions."""

    def model(x):
        decode = numpyro.module("decoder", pixel_decoder(), (LATENT,))
        with rows(x, size):
            z = numpyro.sample("z", standard(LATENT))
            numpyro.sample("x", pixels(decode(z, x)), obs=x)

    def guide(x):
        encode = numpyro.module("encoder", network(100, 2 * LATENT), (PIXELS,))
        with rows(x, size):
            numpyro.sample("z", dist.Normal(*moments(encode(x))).to_event(1))

    return model, guide


PAIRS = {
    "bernoulli_latent/amortised_discrete/1": bernoulli_latent,
    "bernoulli_vae/amortised_normal/1": vae,
    "bernoulli_vae/amortised_iaf/1": vae_iaf,
    "categorical_vae/relaxed/1": categorical_vae,
    "hvae/top_down/1": hierarchical_vae,
    "pixel_vae/amortised_normal/1": pixel_vae,
}


def pair(row: str, size: int) -> SVI:
    """Model and guide of a row, for data of that many rows."""
    bound = TraceGraph_ELBO() if row.startswith("bernoulli_latent") else Trace_ELBO()
    return SVI(*PAIRS[row](size), numpyro.optim.Adam(1e-3), bound)
