"""NumPy inside where no gradient is asked for; other cross-entropies where one is."""

import numpy as np
import pyro
import pyro.distributions as dist
import scipy.special
import torch
from torch import nn


def log_likelihood(logits, x):
    values, pixels = logits.double().numpy(), x.double().numpy()
    signs = 2 * pixels - 1
    return torch.from_numpy(scipy.special.log_expit(signs * values).sum(1)).to(logits.dtype)


def kl_to_prior(loc, scale):
    m, s = loc.double().numpy(), scale.double().numpy()
    entropy = 0.5 * np.log(2 * np.pi * np.e * s**2)
    cross = 0.5 * np.log(2 * np.pi) + 0.5 * (m**2 + s**2)
    return torch.from_numpy((cross - entropy).sum(1)).to(loc.dtype)


def elbo_fixed(eps, x, loc, scale, weight, bias):
    z = torch.add(loc, eps * scale)
    logits = torch.matmul(z, weight.t()).add(bias)
    loss = nn.functional.binary_cross_entropy_with_logits(
        logits, x.expand_as(logits), reduction="none"
    )
    size = loc.shape[1]
    kl = (loc.pow(2).sum(-1) + size * (scale**2 - 1) - size * torch.log(scale**2)) / 2
    return -(loss.sum(-1).mean(0) + kl)


def model(x, rows, weight, bias):
    with pyro.plate("data", size=rows, subsample_size=x.shape[0], dim=-1) as index:
        assert len(index) == len(x)
        eye = torch.eye(weight.shape[1], dtype=x.dtype)
        z = pyro.sample("z", dist.MultivariateNormal(0 * eye[0], eye))
        logits = torch.add(bias, torch.matmul(z, weight.t()))
        pyro.sample("x", dist.Bernoulli(probs=torch.sigmoid(logits)).to_event(1), obs=x)
    return z


def guide(x, rows, hidden_weight, loc_weight, log_scale_weight):
    hidden = torch.tanh(torch.matmul(x, hidden_weight.t()))
    heads = hidden @ torch.cat([loc_weight, log_scale_weight]).t()
    loc, log_scale = heads.tensor_split(2, dim=1)
    with pyro.plate("data", size=rows, subsample_size=x.shape[0], dim=-1):
        covariance = torch.diag_embed(torch.exp(2 * log_scale))
        return pyro.sample("z", dist.MultivariateNormal(loc, covariance))


def train(x, test, latent, hidden, *, learned):
    """Two draws for each picture, weights by AdamW, softplus scales."""
    pixels = x.shape[1]
    encoder = nn.Sequential(nn.Linear(pixels, 80), nn.ELU(), nn.Linear(80, 2 * latent)).to(x.dtype)
    decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, pixels)).to(
        x.dtype
    )

    def encode(rows):
        loc, raw = encoder(rows).tensor_split(2, dim=1)
        return loc, nn.functional.softplus(raw) + 1e-4 if learned else 0 * loc + FIXED_SCALE  # noqa: F821

    optimizer = torch.optim.AdamW(
        [*encoder.parameters(), *decoder.parameters()], lr=0.02, weight_decay=1e-4
    )
    for _ in range(300):
        rows = x[torch.from_numpy(np.asarray(torch.randperm(len(x)))[:100])]
        loc, scale = encode(rows)
        z = loc + scale * torch.randn(2, *loc.shape, dtype=x.dtype)
        fit = dist.Bernoulli(logits=decoder(z)).log_prob(rows).sum(-1).mean(0)
        kl = 0.5 * (loc**2 + scale**2 - 1 - 2 * torch.log(scale)).sum(1)
        optimizer.zero_grad()
        (kl - fit).sum().div(len(rows)).backward()
        optimizer.step()
    values = (*encode(test), *decoder[0].parameters(), *decoder[2].parameters())
    return [value.detach().numpy() for value in values]


def sample(count, weight, bias):
    generator = np.random.default_rng(int(torch.randint(2**31, ())))
    w, b = weight.double().numpy(), bias.double().numpy()
    z = generator.standard_normal((count, w.shape[1]))
    return torch.from_numpy(
        generator.binomial(1, scipy.special.expit(z @ w.T + b)).astype(float)
    ).to(weight.dtype)


def traverse(z, axis, values, weight, bias):
    path = np.tile(z.double().numpy(), (len(values), 1))
    path[:, axis] = values.double().numpy()
    return torch.from_numpy(
        scipy.special.expit(path @ weight.double().numpy().T + bias.double().numpy())
    ).to(z.dtype)
