"""Formulas written in other ways: log-sum-exp, entropies, modules, probabilities of both values."""

import pyro
import pyro.distributions as dist
import torch
from torch import nn


def log_likelihood(logits, x):
    both = torch.stack([logits, torch.zeros_like(logits)])
    return (x * logits - torch.logsumexp(both, dim=0)).sum(dim=1)


def kl_to_prior(loc, scale):
    q = dist.Normal(loc, scale)
    cross = dist.Normal(0.0, 1.0).log_prob(loc) - 0.5 * scale**2
    return -(q.entropy() + cross).sum(-1)


def elbo_fixed(eps, x, loc, scale, weight, bias):
    draws, pictures, latents = eps.shape
    z = (loc + scale * eps).reshape(draws * pictures, latents)
    fit = log_likelihood(torch.addmm(bias, z, weight.T), x.repeat(draws, 1))
    return fit.reshape(draws, pictures).mean(0) - kl_to_prior(loc, scale.expand(loc.shape))


class _Model(nn.Module):
    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x, rows):
        with pyro.plate("data", rows, subsample_size=len(x)):
            prior = dist.Normal(0.0, 1.0).expand([len(self.weight.T)]).to_event(1)
            z = pyro.sample("z", prior)
            logits = z.to(self.weight.dtype) @ self.weight.T + self.bias
            pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)
        return z


def model(x, rows, weight, bias):
    return _Model(weight, bias)(x, rows)


def guide(x, rows, hidden_weight, loc_weight, log_scale_weight):
    with pyro.plate("data", rows, subsample_size=len(x)):
        exponent = 2 * (x @ hidden_weight.T)
        hidden = 1 - 2 / (1 + exponent.exp())
        variance = (hidden @ (2 * log_scale_weight).T).exp()
        return pyro.sample("z", dist.Normal(hidden @ loc_weight.T, variance.sqrt()).to_event(1))


def train(x, test, latent, hidden, *, learned):
    """The rate falls with the steps; gradients are clipped; the KL term grows at first."""
    pixels = x.shape[1]
    encoder = nn.Sequential(nn.Linear(pixels, 96), nn.SiLU(), nn.Linear(96, 2 * latent)).to(
        x.dtype
    )
    decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, pixels)).to(
        x.dtype
    )
    both = nn.ModuleList([encoder, decoder])
    optimizer = torch.optim.Adam(both.parameters(), lr=0.03)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)

    def encode(rows):
        loc, log_scale = encoder(rows).unflatten(1, (2, latent)).unbind(1)
        return loc, log_scale.exp() if learned else torch.full_like(loc, FIXED_SCALE)  # noqa: F821

    for step in range(300):
        rows = x[torch.multinomial(torch.ones(len(x)), 100)]
        loc, scale = encode(rows)
        z = dist.Normal(loc, scale).rsample()
        weight = min(1.0, (step + 1) / 50)
        loss = (weight * kl_to_prior(loc, scale) - log_likelihood(decoder(z), rows)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(both.parameters(), 10.0)
        optimizer.step()
        falling.step()
    with torch.inference_mode():
        return (
            *encode(test),
            decoder[0].weight,
            decoder[0].bias,
            decoder[2].weight,
            decoder[2].bias,
        )


def sample(count, weight, bias):
    z = torch.distributions.MultivariateNormal(
        torch.zeros_like(weight[0]), torch.eye(weight.shape[1], dtype=weight.dtype)
    ).sample((count,))
    both = torch.stack([torch.zeros_like(z @ weight.T), z @ weight.T + bias], -1)
    return torch.distributions.Categorical(logits=both).sample().to(weight.dtype)


def traverse(z, axis, values, weight, bias):
    unit = nn.functional.one_hot(torch.tensor(axis), len(z)).to(z.dtype)
    path = z * (1 - unit) + values.outer(unit)
    return 0.5 * (1 + torch.tanh(0.5 * (path @ weight.T + bias)))
