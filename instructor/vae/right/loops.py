"""One picture, pixel or draw after another."""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import nn


def _log_sigmoid(value):
    return -torch.logaddexp(torch.zeros_like(value), -value)


def log_likelihood(logits, x):
    rows = []
    for row, picture in zip(logits, x):
        terms = [_log_sigmoid(v if p == 1 else -v) for v, p in zip(row, picture)]
        rows.append(torch.stack(terms).sum())
    return torch.stack(rows)


def kl_to_prior(loc, scale):
    rows = []
    for m, s in zip(loc, scale):
        rows.append(sum((b**2 + a**2 - 1) / 2 - torch.log(b) for a, b in zip(m, s)))
    return torch.stack(rows)


def elbo_fixed(eps, x, loc, scale, weight, bias):
    rows = []
    for n in range(len(x)):
        fit = 0.0
        for draw in eps:
            logits = weight @ (loc[n] + scale * draw[n]) + bias
            fit = fit + (x[n] * _log_sigmoid(logits) + (1 - x[n]) * _log_sigmoid(-logits)).sum()
        kl = sum((scale**2 + m**2 - 1) / 2 - torch.log(scale) for m in loc[n])
        rows.append(fit / len(eps) - kl)
    return torch.stack(rows)


def model(x, rows, weight, bias):
    latents = weight.shape[1]
    with pyro.plate("data", rows, subsample=torch.arange(len(x))):
        z = pyro.sample(
            "z", dist.Normal(torch.zeros(latents).to(x), torch.ones(latents).to(x)).to_event(1)
        )
        logits = torch.stack([weight @ row + bias for row in z])
        pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)
    return z


def guide(x, rows, hidden_weight, loc_weight, log_scale_weight):
    loc, scale = [], []
    for picture in x:
        hidden = torch.tanh(hidden_weight @ picture)
        loc.append(loc_weight @ hidden)
        scale.append(torch.exp(log_scale_weight @ hidden))
    with pyro.plate("data", rows, subsample=torch.arange(len(x))):
        return pyro.sample("z", dist.Normal(torch.stack(loc), torch.stack(scale)).to_event(1))


class _Encoder(nn.Module):
    def __init__(self, pixels, latent):
        super().__init__()
        self.hidden, self.loc = nn.Linear(pixels, 64), nn.Linear(64, latent)
        self.log_scale = nn.Linear(64, latent)

    def forward(self, x):
        hidden = torch.relu(self.hidden(x))
        return self.loc(hidden), self.log_scale(hidden)


def train(x, test, latent, hidden, *, learned):
    """Epochs over shuffled pictures, relu in the encoder, a KL divergence by one draw."""
    encoder = _Encoder(x.shape[1], latent).to(x.dtype)
    first, last = nn.Linear(latent, hidden).to(x.dtype), nn.Linear(hidden, x.shape[1]).to(x.dtype)
    parameters = [p for part in (encoder, first, last) for p in part.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for _ in range(40):
        for rows in x[torch.randperm(len(x))].split(100):
            loc, log_scale = encoder(rows)
            log_scale = log_scale if learned else torch.full_like(loc, math.log(FIXED_SCALE))  # noqa: F821
            eps = torch.randn_like(loc)
            z = loc + log_scale.exp() * eps
            logits = last(torch.tanh(first(z)))
            fit = -nn.functional.binary_cross_entropy_with_logits(logits, rows, reduction="sum")
            log_ratio = (0.5 * eps**2 + log_scale - 0.5 * z**2).sum()
            optimizer.zero_grad()
            (-(fit + log_ratio) / len(rows)).backward()
            optimizer.step()
    loc, log_scale = encoder(test)
    scale = log_scale.exp() if learned else torch.full_like(loc, FIXED_SCALE)  # noqa: F821
    return loc, scale, first.weight, first.bias, last.weight, last.bias


def sample(count, weight, bias):
    pictures = torch.empty(count, len(weight), dtype=weight.dtype)
    for rows in pictures.split(1000):
        z = torch.randn(len(rows), weight.shape[1], dtype=weight.dtype)
        for d in range(len(weight)):
            p = torch.sigmoid(z @ weight[d] + bias[d])
            rows[:, d] = (torch.rand(len(rows), dtype=weight.dtype) < p).to(weight.dtype)
    return pictures


def traverse(z, axis, values, weight, bias):
    stops = []
    for value in values:
        here = [value if k == axis else z[k] for k in range(len(z))]
        stops.append(torch.sigmoid(weight @ torch.stack(here) + bias))
    return torch.stack(stops)
