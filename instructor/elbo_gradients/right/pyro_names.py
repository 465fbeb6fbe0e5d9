"""Pyro's distributions; entropies in closed form in place of log q."""

import pyro.distributions as dist
import torch


def elbo_terms(z, a, y, noise, loc, scale):
    size = z.shape[-1]
    prior = dist.Normal(0.0, 1.0).expand([size]).to_event(1)
    mean = torch.einsum("md,sd->sm", a, z)
    likelihood = dist.Normal(mean, noise).to_event(1).log_prob(y)
    return likelihood, prior.log_prob(z), dist.Normal(loc, scale).to_event(1).log_prob(z)


def closed_form(a, y, noise, loc, scale):
    off = y - a @ loc
    squares = off @ off + torch.einsum("md,d,md->", a, scale**2, a)
    constant = len(y) * torch.log(2 * torch.pi * noise**2)
    expected = -0.5 * (constant + squares / noise**2)
    q = dist.Normal(loc, scale).to_event(1)
    cross = dist.Normal(0.0, 1.0).log_prob(loc).sum() - 0.5 * (scale**2).sum()
    return expected, -q.entropy() - cross


def draw_diagonal(eps, loc, log_scale):
    scale = torch.exp(log_scale)
    return torch.addcmul(loc, eps, scale)


def elbo_diagonal(eps, loc, log_scale, a, y, noise):
    scale = log_scale.exp()
    z = torch.addcmul(loc, eps, scale)
    log_joint = dist.Normal(z @ a.T, noise).to_event(1).log_prob(y)
    log_joint = log_joint + dist.Normal(torch.zeros_like(z), 1.0).to_event(1).log_prob(z)
    return log_joint.mean() + dist.Normal(loc, scale).to_event(1).entropy()


def draw_full(eps, loc, raw):
    below = torch.ones_like(raw).tril(-1)
    root = torch.where(below > 0, raw, torch.zeros_like(raw)) + torch.diag(raw.diag().exp())
    q = dist.MultivariateNormal(loc, scale_tril=root)
    z = (root @ eps.T).T + loc
    return z, q.log_prob(z)


def elbo_full(eps, loc, raw, a, y, noise):
    z, _ = draw_full(eps, loc, raw)
    log_joint = dist.Normal(z @ a.T, noise).to_event(1).log_prob(y)
    log_joint = log_joint + dist.Normal(torch.zeros_like(z), 1.0).to_event(1).log_prob(z)
    entropy = raw.diag().sum() + 0.5 * len(loc) * (1 + torch.log(torch.tensor(2 * torch.pi)))
    return log_joint.mean() + entropy


def best_diagonal(a, y, noise):
    scaled = a / noise
    precision = torch.eye(a.shape[1]).to(a) + scaled.mT @ scaled
    loc = torch.linalg.solve(precision, scaled.mT @ (y / noise))
    scale = 1 / torch.sqrt(1 + (scaled**2).sum(0))
    correlation = scale[:, None] * precision * scale
    return loc, scale, -0.5 * torch.linalg.slogdet(correlation).logabsdet
