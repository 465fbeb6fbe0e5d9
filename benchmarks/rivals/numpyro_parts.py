"""What models and guides with networks are made of in NumPyro: layers, a flow, relaxed draws."""

from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.example_libraries import stax
from numpyro.distributions import constraints
from numpyro.distributions.transforms import ExpTransform, Transform

from benchmarks.rivals.masks import masks

PIXELS, SIDE, CHANNELS = 784, 28, 16
LATENT, CONTEXT, FLOW_HIDDEN = 20, 16, 40
TEMPERATURE = 0.5


def network(*widths: int):
    """Dense layers of these widths, ReLU between them."""
    layers = [stax.Dense(widths[0])]
    for width in widths[1:]:
        layers += [stax.Relu, stax.Dense(width)]
    return stax.serial(*layers)


@contextmanager
def rows(x, size: int | None):
    """The plate over rows, each of which stands for size / len(x) of them."""
    scale = 1.0 if size is None else size / len(x)
    with numpyro.handlers.scale(scale=scale), numpyro.plate("data", len(x)):
        yield


def moments(outputs):
    """Mean and scale from a head's outputs."""
    loc, raw = jnp.split(outputs, 2, -1)
    return loc, jax.nn.softplus(raw) + 1e-12


def standard(latent: int):
    return dist.Normal(jnp.zeros(latent), 1.0).to_event(1)


def pixels(logits):
    return dist.Bernoulli(logits=logits).to_event(1)


class Gated(Transform):
    """One inverse autoregressive step: z <- g * z + (1 - g) * m."""

    domain = constraints.real_vector
    codomain = constraints.real_vector

    def __init__(self, net):
        self.net = net

    def __call__(self, x):
        return self.call_with_intermediates(x)[0]

    def call_with_intermediates(self, x):
        mean, logit = jnp.split(self.net(x), 2, -1)
        gate = jax.nn.sigmoid(logit + 2.0)
        return gate * x + (1 - gate) * mean, jax.nn.log_sigmoid(logit + 2.0)

    def log_abs_det_jacobian(self, x, y, intermediates=None):
        return intermediates.sum(-1)

    def tree_flatten(self):
        return (), ((), {"net": self.net})


def masked_network(step: int):
    """(z, context) -> means and gates' logits, as a pair of init and apply."""
    first, second = (
        jnp.asarray(mask.T) for mask in masks(LATENT, CONTEXT, FLOW_HIDDEN, reverse=step % 2 == 1)
    )
    dense = stax.serial(stax.Dense(FLOW_HIDDEN), stax.Dense(2 * LATENT))

    def init(key, shape):
        return dense[0](key, (LATENT + CONTEXT,))

    def apply(params, z, context):
        (w, b), (v, c) = params
        hidden = jax.nn.relu(jnp.concatenate([context, z], -1) @ (w * first) + b)
        return hidden @ (v * second) + c

    return init, apply


class LogConcrete(dist.Distribution):
    """The logarithm of a relaxed one-hot vector, drawn from uniform noise."""

    support = constraints.real_vector
    reparametrized_params = ["logits"]

    def __init__(self, logits):
        self.logits = logits
        super().__init__(jnp.shape(logits)[:-1], jnp.shape(logits)[-1:])

    def sample(self, key, sample_shape=()):
        shape = sample_shape + jnp.shape(self.logits)
        smallest = jnp.finfo(self.logits.dtype).tiny
        uniform = jax.random.uniform(key, shape, minval=smallest)
        scores = (self.logits - jnp.log(-jnp.log(uniform))) / TEMPERATURE
        return jax.nn.log_softmax(scores)

    def log_prob(self, value):
        classes = self.logits.shape[-1]
        score = jax.nn.log_softmax(self.logits - TEMPERATURE * value).sum(-1)
        return score + jax.lax.lgamma(float(classes)) + (classes - 1) * jnp.log(TEMPERATURE)


def relaxed(logits):
    return dist.TransformedDistribution(LogConcrete(logits), ExpTransform()).to_event(1)


def pixel_decoder():
    """A map of z added in each of two masked convolutions, then two mixing layers."""
    of_z, mix = network(100, CHANNELS * PIXELS), stax.Dense(CHANNELS)
    seen = [(jnp.arange(9) < 4 + sees).reshape(3, 3, 1, 1) for sees in (0, 1)]
    layout = ("NHWC", "HWIO", "NHWC")

    def init(key, shape):
        keys = jax.random.split(key, 7)
        convolutions = [
            stax.Conv(CHANNELS, (3, 3), padding="SAME")[0](k, (1, SIDE, SIDE, inputs))[1]
            for k, inputs in zip(keys[:2], (1, CHANNELS), strict=True)
        ]
        mixed = [mix[0](k, (CHANNELS,))[1] for k in keys[2:4]]
        top = network(CHANNELS, 1)[0](keys[4], (CHANNELS,))[1]
        return shape, (of_z[0](keys[5], shape)[1], convolutions, mixed, top)

    def apply(params, z, x):
        map_params, convolutions, mixed, top = params
        shape = (len(z), SIDE, SIDE, CHANNELS)
        shown = jax.nn.relu(of_z[1](map_params, z)).reshape(shape)
        h = (2 * x - 1).reshape(-1, SIDE, SIDE, 1)
        for i, ((weight, bias), mask) in enumerate(zip(convolutions, seen, strict=True)):
            masked = jax.lax.conv_general_dilated(
                h, weight * mask, (1, 1), "SAME", dimension_numbers=layout
            )
            new = jax.nn.relu(masked + bias.reshape(-1) + mix[1](mixed[i], shown))
            h = new if i == 0 else h + new
        return network(CHANNELS, 1)[1](top, h).reshape(len(z), PIXELS)

    return init, apply
