"""Objects of torch.distributions and Pyro's handlers; SVI with Trace_ELBO."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence


def log_likelihood(logits, x):
    return Independent(Bernoulli(logits=logits), 1).log_prob(x)


def kl_to_prior(loc, scale):
    prior = Normal(torch.zeros_like(loc), torch.ones_like(scale))
    return kl_divergence(Independent(Normal(loc, scale), 1), Independent(prior, 1))


def elbo_fixed(eps, x, loc, scale, weight, bias):
    q = Independent(Normal(loc, scale.expand(loc.shape)), 1)
    prior = Independent(Normal(torch.zeros_like(loc), torch.ones_like(loc)), 1)
    logits = nn.functional.linear(loc.unsqueeze(0) + scale * eps, weight, bias)
    return log_likelihood(logits, x.expand(logits.shape)).mean(0) - kl_divergence(q, prior)


def model(x, rows, weight, bias):
    pictures, latents = len(x), weight.shape[1]
    with pyro.poutine.scale(scale=rows / pictures), pyro.plate("data", pictures, dim=-1):
        z = pyro.sample("z", dist.Normal(x.new_zeros(pictures, latents), 1.0).to_event(1))
        p = dist.Bernoulli(logits=nn.functional.linear(z, weight, bias))
        pyro.sample("x", dist.Independent(p, 1), obs=x)
        return z


def guide(x, rows, hidden_weight, loc_weight, log_scale_weight):
    hidden = nn.functional.linear(x, hidden_weight).tanh()
    loc = nn.functional.linear(hidden, loc_weight)
    scale = nn.functional.linear(hidden, log_scale_weight).exp()
    with pyro.poutine.scale(scale=rows / len(x)), pyro.plate("data", len(x), dim=-1):
        return pyro.sample("z", dist.Independent(dist.Normal(loc, scale), 1))


def train(x, test, latent, hidden, *, learned):
    """Pyro's SVI; the loss is that of all pictures."""
    pixels = x.shape[1]
    encoder = nn.Sequential(nn.Linear(pixels, 64), nn.Tanh(), nn.Linear(64, 2 * latent)).to(
        x.dtype
    )
    decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, pixels)).to(
        x.dtype
    )

    def encode(batch):
        loc, log_scale = pyro.module("encoder", encoder)(batch).chunk(2, -1)
        return loc, log_scale.exp() if learned else torch.full_like(loc, FIXED_SCALE)  # noqa: F821

    def p(batch):
        net = pyro.module("decoder", decoder)
        with pyro.plate("data", len(x), subsample_size=len(batch)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(latent), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=net(z)).to_event(1), obs=batch)

    def q(batch):
        loc, scale = encode(batch)
        with pyro.plate("data", len(x), subsample_size=len(batch)):
            pyro.sample("z", dist.Normal(loc, scale).to_event(1))

    svi = SVI(p, q, pyro.optim.Adam({"lr": 0.02}), Trace_ELBO())
    for _ in range(300):
        svi.step(x[torch.randint(len(x), (100,))])
    with torch.no_grad():
        loc, scale = encode(test)
    first, last = decoder[0], decoder[2]
    return loc, scale, first.weight, first.bias, last.weight, last.bias


def sample(count, weight, bias):
    prior = Normal(torch.zeros_like(weight[0]), torch.ones_like(weight[0]))
    z = prior.sample((count,))
    return Bernoulli(logits=nn.functional.linear(z, weight, bias)).sample()


def traverse(z, axis, values, weight, bias):
    path = torch.stack([z.index_fill(0, torch.tensor([axis]), float(value)) for value in values])
    return Bernoulli(logits=nn.functional.linear(path, weight, bias)).mean
