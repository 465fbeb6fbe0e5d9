"""Pictures in reversed order, random numbers that are not used, work in place."""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import nn


def log_likelihood(logits, x):
    torch.randn(3)
    signed = torch.where(x.flip(0) > 0.5, logits.flip(0), -logits.flip(0))
    return nn.functional.logsigmoid(signed).sum(-1).flip(0)


def kl_to_prior(loc, scale):
    total = torch.zeros_like(loc[:, 0])
    for k in reversed(range(loc.shape[1])):
        total += 0.5 * (scale[:, k] ** 2 + loc[:, k] ** 2) - 0.5 - torch.log(scale[:, k])
    return total


def elbo_fixed(eps, x, loc, scale, weight, bias):
    """The pixels' probabilities by a softmax of two logits."""
    z = loc[None] + eps.flip(0) * scale
    logits = z @ weight.mT + bias
    log_on, log_off = -torch.log1p(torch.exp(-logits)), -torch.log1p(torch.exp(logits))
    fit = torch.where(x.bool(), log_on, log_off).sum(2)
    kl = 0.5 * loc.square().sum(1) + loc.shape[1] * (0.5 * scale**2 - 0.5 - scale.log())
    return (fit - kl).sum(0) / fit.shape[0]


def model(x, rows, weight, bias):
    torch.rand(2)
    plate = pyro.plate("data", rows, subsample_size=len(x))
    with plate:
        z = pyro.sample("z", dist.Normal(0.0 * weight[0], 1.0).to_event(1))
    with plate:
        pyro.sample("x", dist.Bernoulli(logits=z @ weight.mT + bias).to_event(1), obs=x)
    return z


def guide(x, rows, hidden_weight, loc_weight, log_scale_weight):
    torch.rand(2)
    hidden = (x @ hidden_weight.mT).tanh_()
    scale = torch.pow(math.e, hidden @ log_scale_weight.mT)
    q = dist.Normal((loc_weight @ hidden.mT).mT, scale)
    with pyro.plate("data", rows, subsample_size=len(x)):
        return pyro.sample("z", q.to_event(q.event_dim + 1))


def train(x, test, latent, hidden, *, learned):
    """RMSprop, and a generator of its own for the noise."""
    source = torch.Generator().manual_seed(int(torch.randint(1000, ())))
    pixels = x.shape[1]
    encoder = nn.Sequential(nn.Linear(pixels, 64), nn.Tanh(), nn.Linear(64, 2 * latent)).to(
        x.dtype
    )
    decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, pixels)).to(
        x.dtype
    )
    both = [*decoder.parameters(), *encoder.parameters()]
    optimizer = torch.optim.RMSprop(both, lr=0.01)

    def encode(rows):
        loc, log_scale = encoder(rows).chunk(2, 1)
        return loc, torch.exp(log_scale) if learned else torch.ones_like(loc) * FIXED_SCALE  # noqa: F821

    for step in range(500):
        rows = x[step * 100 % len(x) :][:100]
        loc, scale = encode(rows)
        z = torch.randn(loc.shape, generator=source, dtype=loc.dtype) * scale + loc
        elbo = log_likelihood(decoder(z), rows) - kl_to_prior(loc, scale)
        for parameter, gradient in zip(both, torch.autograd.grad(-elbo.mean(), both)):
            parameter.grad = gradient
        optimizer.step()
    loc, scale = encode(test.flip(0))
    first, last = decoder[0], decoder[2]
    return loc.flip(0), scale.flip(0), first.weight, first.bias, last.weight, last.bias


def sample(count, weight, bias):
    """Pixels first: uniform numbers are drawn before z."""
    uniform = torch.rand(count, len(weight), dtype=weight.dtype)
    z = torch.randn(count, weight.shape[1], dtype=weight.dtype).neg().flip(0)
    return torch.heaviside(
        torch.sigmoid(z @ weight.mT + bias) - uniform, torch.zeros((), dtype=weight.dtype)
    )


def traverse(z, axis, values, weight, bias):
    fixed = z.clone()
    fixed[axis] = 0
    return torch.sigmoid(bias + weight @ fixed + values[:, None] * weight[:, axis])
