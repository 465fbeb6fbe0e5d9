"""Results as dictionaries; logits gathered by the value of each pixel."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, TraceMeanField_ELBO
from torch import nn
from torch.func import vmap


def log_likelihood(logits, x):
    table = torch.stack([torch.zeros_like(logits), logits], dim=-1).log_softmax(-1)
    return {"log_likelihood": table.gather(-1, x.long().unsqueeze(-1)).squeeze(-1).sum(-1)}


def kl_to_prior(loc, scale):
    def one(m, s):
        covariance = torch.diag(s**2)
        return 0.5 * (covariance.trace() + m @ m - len(m) - torch.logdet(covariance))

    return {"kl": vmap(one)(loc, scale)}


def elbo_fixed(eps, x, loc, scale, weight, bias):
    def fit(noise):
        logits = (loc + scale * noise) @ weight.T + bias
        return log_likelihood(logits, x)["log_likelihood"]

    spread = torch.ones_like(loc) * scale
    return {
        "elbo": torch.stack([fit(noise) for noise in eps]).mean(0) - kl_to_prior(loc, spread)["kl"]
    }


def model(x, rows, weight, bias):
    zeros = torch.zeros(len(x), weight.shape[1], dtype=x.dtype)
    with pyro.plate("data", rows, subsample=torch.arange(len(x))):
        z = pyro.sample("z", dist.Normal(zeros, torch.ones_like(zeros)).to_event(1))
        logits = torch.einsum("dk,nk->nd", weight, z) + bias
        both = torch.stack([torch.zeros_like(logits), logits], -1)
        pyro.sample("x", dist.Categorical(logits=both).to_event(1), obs=x.long())
    return {"z": z}


def guide(x, rows, hidden_weight, loc_weight, log_scale_weight):
    hidden = torch.einsum("hd,nd->nh", hidden_weight, x).tanh()
    loc = torch.einsum("kh,nh->nk", loc_weight, hidden)
    scale = torch.einsum("kh,nh->nk", log_scale_weight, hidden).exp()
    with pyro.plate("data", rows, subsample=torch.arange(len(x))):
        root = torch.diag_embed(scale)
        return {"z": pyro.sample("z", dist.MultivariateNormal(loc, scale_tril=root))}


def train(x, test, latent, hidden, *, learned):
    """Pyro's SVI with the KL divergence in closed form, the mean loss of a picture."""
    pixels = x.shape[1]
    body = nn.Sequential(nn.Linear(pixels, 48), nn.Tanh()).to(x.dtype)
    heads = nn.ModuleList([nn.Linear(48, latent), nn.Linear(48, latent)]).to(x.dtype)
    first, last = nn.Linear(latent, hidden).to(x.dtype), nn.Linear(hidden, pixels).to(x.dtype)

    def encode(batch):
        level = body(batch)
        return heads[0](level), heads[1](level).exp() if learned else 0 * heads[0](
            level
        ) + FIXED_SCALE  # noqa: F821

    def p(batch):
        pyro.module("first", first), pyro.module("last", last)
        with pyro.poutine.scale(scale=1 / len(batch)), pyro.plate("data", len(batch)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(latent), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=last(first(z).tanh())).to_event(1), obs=batch)

    def q(batch):
        pyro.module("body", body), pyro.module("heads", heads)
        loc, scale = encode(batch)
        with pyro.poutine.scale(scale=1 / len(batch)), pyro.plate("data", len(batch)):
            pyro.sample("z", dist.Normal(loc, scale).to_event(1))

    svi = SVI(p, q, pyro.optim.ClippedAdam({"lr": 0.02}), TraceMeanField_ELBO())
    for _ in range(30):
        for batch in x[torch.randperm(len(x))].split(100):
            svi.step(batch)
    loc, scale = encode(test)
    names = ("pixel_bias", "pixel_weight", "hidden_bias", "hidden_weight", "scale", "loc")
    values = (last.bias, last.weight, first.bias, first.weight, scale, loc)
    return dict(zip(names, values))


def sample(count, weight, bias):
    with pyro.plate("pictures", count):
        z = pyro.sample("code", dist.Normal(weight.new_zeros(weight.shape[1]), 1.0).to_event(1))
        return {
            "x": pyro.sample("picture", dist.Bernoulli(logits=z @ weight.T + bias).to_event(1))
        }


def traverse(z, axis, values, weight, bias):
    mask = torch.arange(len(z)) == axis
    path = torch.where(mask, values[:, None], z)
    return {"probabilities": 1 / (1 + torch.exp(-(path @ weight.T + bias)))}
