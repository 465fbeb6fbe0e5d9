"""The published autoencoder with two layers of latents, as a plain Pyro model and a plain guide.

    z2 ~ N(0, I),  z1 ~ N(m(z2), diag s(z2)^2),  x ~ Bern(f(z1, z2))            the model
    q(z2 | x) = N(m(x), diag s(x)^2),  q(z1 | x, z2) = N(m(x, z2), ...)         the guide

Every hidden layer is gated, 300 wide; two inputs pass a layer each, then one together. Log
variances stay in [-6, 2].
Source: Tomczak and Welling (2018), VAE with a VampPrior, AISTATS.
"""

import pyro
import pyro.distributions as dist
from torch import Tensor, nn

from zoo.nn import beside

LOG_VARIANCE = (-6.0, 2.0)


def gated(inputs: int, width: int) -> nn.Sequential:
    """h = (W x + b) * sigmoid(V x + c)."""
    return nn.Sequential(nn.Linear(inputs, 2 * width), nn.GLU())


class Together(nn.Module):
    """Two inputs, each through a layer of its own, then through one together."""

    def __init__(self, first: int, second: int, outputs: int, width: int) -> None:
        super().__init__()
        self.first, self.second = gated(first, width), gated(second, width)
        self.joint = nn.Sequential(gated(2 * width, width), nn.Linear(width, outputs))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.joint(beside(self.first(first), self.second(second)))


def chain(inputs: int, outputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(gated(inputs, width), gated(width, width), nn.Linear(width, outputs))


def normal(outputs: Tensor) -> dist.Independent:
    """Of means and log variances side by side."""
    loc, log_variance = outputs.chunk(2, dim=-1)
    return dist.Normal(loc, (log_variance.clamp(*LOG_VARIANCE) / 2).exp()).to_event(1)


class TwoLayers(nn.Module):
    """Generative half: sites z2, z1 and x (rows, D)."""

    def __init__(self, features: int, latents: int = 40, width: int = 300) -> None:
        super().__init__()
        self.latents = latents
        self.inner = chain(latents, 2 * latents, width)
        self.outer = Together(latents, latents, features, width)

    def forward(self, x: Tensor) -> Tensor:
        with pyro.plate("data", len(x)):
            standard = dist.Normal(x.new_zeros(self.latents), 1.0).to_event(1)
            z2 = pyro.sample("z2", standard)
            z1 = pyro.sample("z1", normal(self.inner(z2)))
            logits = self.outer(z1, z2)
            return pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)


class TwoLayersGuide(nn.Module):
    """Recognition half, from the top layer down."""

    def __init__(self, features: int, latents: int = 40, width: int = 300) -> None:
        super().__init__()
        self.top = chain(features, 2 * latents, width)
        self.below = Together(features, latents, 2 * latents, width)

    def forward(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z2 = pyro.sample("z2", normal(self.top(x)))
            pyro.sample("z1", normal(self.below(x, z2)))
