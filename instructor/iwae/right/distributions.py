"""Densities by torch.distributions, weights kept as exp(log w - max)."""

import math

import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal


def log_weights(eps, x, loc, log_sd, slope, noise):
    guide = Independent(Normal(loc, log_sd.exp()), 1)
    z = guide.mean + guide.stddev * eps
    eye = torch.eye(x.shape[-1], dtype=x.dtype)
    likelihood = MultivariateNormal(z @ slope.T, noise**2 * eye).log_prob(x)
    prior = Normal(torch.zeros_like(z), 1.0).log_prob(z).sum(-1)
    return z, likelihood + prior - guide.log_prob(z)


def iwae_bound(log_w):
    top = log_w.max(0).values
    return top + (log_w - top).exp().mean(0).log()


def dreg_loss(eps, x, loc, log_sd, slope, noise):
    z = Normal(loc, log_sd.exp()).mean + log_sd.exp() * eps
    log_p = Normal(z @ slope.T, noise).log_prob(x).sum(-1)
    log_p = log_p + Normal(torch.zeros_like(z), 1.0).log_prob(z).sum(-1)
    log_w = log_p - Normal(loc.detach(), log_sd.detach().exp()).log_prob(z).sum(-1)
    with torch.no_grad():
        w = (log_w - log_w.max(0).values).exp()
        w = w / w.sum(0)
    return (-(w.square()) * log_w).sum(0).sum(0)


def self_normalised(log_w, values):
    w = (log_w - log_w.max(0).values).exp()
    return (w * values).sum(0) / w.sum(0), w.sum(0).square() / w.square().sum(0)


def tail_excess(log_w):
    m = math.ceil(min(0.2 * len(log_w), 3 * len(log_w) ** 0.5))
    largest = torch.exp(log_w - log_w.amax()).topk(m + 1).values.flip(0)
    return largest[1:] - largest[0]


def k_hat(excess):
    n = excess.numel()
    m = 30 + int(n**0.5)
    grid = torch.linspace(0.5, m - 0.5, m, dtype=excess.dtype)
    b = excess[-1].reciprocal() + (1 - torch.sqrt(m / grid)) / (3 * excess[int(n / 4 + 0.5) - 1])
    k = torch.log1p(torch.outer(-b, excess)).mean(-1)
    profile = n * (torch.log(-b / k) - k - 1)
    weights = 1 / torch.exp(profile[None, :] - profile[:, None]).sum(1)
    final = torch.log1p(-(weights @ b) * excess).mean()
    return final * n / (n + 10) + 5 / (n + 10)


def _energy(z, x, slope, noise) -> Tensor:
    return Normal(z[:, None] * slope, noise).log_prob(x).sum(-1)


def _state(z, eps, beta, x, slope, noise) -> Tensor:
    precision = 1 + beta * slope.square().sum() / noise.square()
    target = Normal(beta * (slope * x).sum() / noise.square() / precision, precision.rsqrt())
    return target.mean + 0.6 * (z - target.mean) + 0.8 * target.stddev * eps


def ais_log_weights(z, eps, betas, x, slope, noise):
    states = [z]
    for beta, e in zip(betas[1:-1], eps, strict=True):
        states.append(_state(states[-1], e, beta, x, slope, noise))
    energies = torch.stack([_energy(s, x, slope, noise) for s in states])
    return (betas.diff()[:, None] * energies).sum(0)


def reverse_log_weights(z, eps, betas, x, slope, noise):
    states = [z]
    for beta, e in zip(betas[1:-1].flip(0), eps, strict=True):
        states.append(_state(states[-1], e, beta, x, slope, noise))
    energies = torch.stack([_energy(s, x, slope, noise) for s in states])
    return betas.diff().flip(0) @ energies


def sandwich(forward, reverse):
    lower = forward.max() + (forward - forward.max()).exp().mean().log()
    upper = reverse.min() - (reverse.min() - reverse).exp().mean().log()
    return lower, upper
