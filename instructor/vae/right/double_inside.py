"""Float64 inside and in the results; some results are not contiguous."""

import pyro
import pyro.distributions as dist
import torch
from torch import nn


def log_likelihood(logits, x):
    logits, x = logits.double(), x.double()
    return (x * logits - nn.functional.softplus(logits)).T.sum(0)


def kl_to_prior(loc, scale):
    loc, scale = loc.double(), scale.double()
    second = torch.linalg.vector_norm(torch.cat([loc, scale], 1), dim=1) ** 2
    return (second - loc.shape[1]) / 2 - scale.log().sum(1)


def elbo_fixed(eps, x, loc, scale, weight, bias):
    eps, x, loc, scale = eps.double(), x.double(), loc.double(), scale.double()
    logits = torch.einsum("snk,dk->snd", loc + scale * eps, weight.double()) + bias.double()
    fit = torch.einsum("snd,nd->n", logits, x) - nn.functional.softplus(logits).sum((0, 2))
    return fit / len(eps) - kl_to_prior(loc, scale.expand_as(loc))


def model(x, rows, weight, bias):
    weight, bias = weight.double(), bias.double()
    prior = dist.Normal(torch.zeros(weight.shape[1], dtype=torch.float64), 1.0).to_event(1)
    with pyro.plate("data", rows, subsample_size=len(x)):
        z = pyro.sample("z", prior)
        pyro.sample("x", dist.Bernoulli(logits=z @ weight.T + bias).to_event(1), obs=x.double())
    return z


def guide(x, rows, hidden_weight, loc_weight, log_scale_weight):
    hidden = (hidden_weight.double() @ x.double().T).tanh()
    loc = (loc_weight.double() @ hidden).T
    scale = (log_scale_weight.double() @ hidden).exp().T
    with pyro.plate("data", rows, subsample_size=len(x)):
        return pyro.sample("z", dist.Normal(loc, scale).to_event(1))


def train(x, test, latent, hidden, *, learned):
    """All pictures in every step, with parameters that are plain tensors."""
    x, test = x.double(), test.double()
    sizes = ((64, x.shape[1]), (2 * latent, 64), (hidden, latent), (x.shape[1], hidden))
    weights = [(torch.randn(*s).double() / s[1] ** 0.5).requires_grad_() for s in sizes]
    biases = [torch.zeros(s[0], dtype=torch.float64, requires_grad=True) for s in sizes]

    def layer(i, value):
        return value @ weights[i].T + biases[i]

    def encode(rows):
        loc, log_scale = layer(1, layer(0, rows).tanh()).split(latent, 1)
        return loc, (log_scale if learned else 0 * loc + torch.tensor(FIXED_SCALE).log()).exp()  # noqa: F821

    optimizer = torch.optim.Adam([*weights, *biases], lr=0.03)
    for _ in range(250):
        rows = x[torch.randperm(len(x))[:500]]
        loc, scale = encode(rows)
        logits = layer(3, layer(2, loc + scale * torch.randn_like(loc)).tanh())
        loss = kl_to_prior(loc, scale).mean() - log_likelihood(logits, rows).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (*encode(test), weights[2], biases[2], weights[3], biases[3])


def sample(count, weight, bias):
    noise = torch.rand(len(weight), count, dtype=torch.float64)
    z = torch.randn(weight.shape[1], count, dtype=torch.float64)
    return (
        (noise.log() - (-noise).log1p() < weight.double() @ z + bias.double()[:, None]).double().T
    )


def traverse(z, axis, values, weight, bias):
    path = z.double()[:, None].repeat(1, len(values))
    path[axis] = values.double()
    return (weight.double() @ path + bias.double()[:, None]).sigmoid().T
