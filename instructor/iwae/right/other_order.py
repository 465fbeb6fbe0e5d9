"""Noise used in another order, axes moved, results as dictionaries."""

import math

import torch


def log_weights(eps, x, loc, log_sd, slope, noise):
    rows = eps.transpose(0, 1)  # (N, K, L)
    z = torch.baddbmm(loc[:, None, :], rows, torch.diag_embed(log_sd.exp()))
    residual = (x[:, None, :] - z @ slope.T) / noise
    log_p = -0.5 * (residual**2).sum(2) - x.shape[1] * noise.log() - 0.5 * (z**2).sum(2)
    log_q = -0.5 * (rows**2).sum(2) - log_sd.sum(1, keepdim=True)
    log_w = log_p - log_q - 0.5 * x.shape[1] * math.log(2 * math.pi)
    return {"log_w": log_w.T, "z": z.transpose(0, 1)}


def iwae_bound(log_w):
    mean = log_w.mean(0)
    return mean + torch.logsumexp(log_w.T - mean[:, None] - math.log(len(log_w)), 1)


def dreg_loss(eps, x, loc, log_sd, slope, noise):
    flipped = eps.flip(0)  # the draws of a row are exchangeable
    z = loc + log_sd.exp() * flipped
    log_p = -0.5 * (((x - z @ slope.T) / noise) ** 2).sum(-1) - 0.5 * (z**2).sum(-1)
    held = torch.distributions.Normal(loc.detach(), log_sd.exp().detach())
    log_w = log_p - held.log_prob(z).sum(-1)
    share = (log_w - torch.logsumexp(log_w, 0)).exp().detach()
    return torch.sum((share * share * log_w).mean(1)) * -len(x)


def self_normalised(log_w, values):
    share = torch.softmax(log_w.T, dim=-1)
    estimate = torch.einsum("ns,sn->n", share, values)
    return {"ess": share.norm(dim=1) ** -2, "estimate": estimate}


def tail_excess(log_w):
    place = log_w.argsort(descending=True)
    count = math.ceil(min(len(log_w) / 5, 3 * math.sqrt(len(log_w))))
    w = (log_w - log_w[place[0]]).exp()
    return torch.stack([w[i] - w[place[count]] for i in reversed(place[:count])])


def k_hat(excess):
    shuffled = excess[torch.randperm(len(excess))]
    count = len(shuffled)
    largest = shuffled.max()
    first = shuffled.sort().values[math.floor(count / 4 + 0.5) - 1]
    tried = 30 + math.floor(count**0.5)
    j = torch.arange(tried, 0, -1, dtype=excess.dtype)
    theta = 1 / largest + (1 - torch.sqrt(tried / (j - 0.5))) / (3 * first)
    shape = torch.stack([torch.log1p(-each * shuffled).mean() for each in theta])
    profile = count * torch.log(-theta / shape) - count * shape
    best = torch.sum(theta * torch.exp(profile - torch.logsumexp(profile, 0)))
    return {"k": (torch.log1p(-best * shuffled).sum() + 5) / (count + 10)}


def _energies(z, x, slope, noise):
    squares = (x[:, None] - slope[:, None] * z).square().sum(0)
    return -squares / (2 * noise**2) - len(x) * torch.log(noise * math.sqrt(2 * math.pi))


def _step(z, eps, beta, x, slope, noise):
    precision = 1 + beta * slope.dot(slope) / noise**2
    mean = slope.dot(x) * beta / (noise**2 * precision)
    return mean + 0.6 * (z - mean) - 0.8 * eps / precision.sqrt()


def ais_log_weights(z, eps, betas, x, slope, noise):
    remaining = list(eps)  # the last row first, with the other sign: the same distribution
    log_w = betas[1] * _energies(z, x, slope, noise)
    for now, later in zip(betas[1:-1], betas[2:], strict=True):
        z = _step(z, remaining.pop(), now, x, slope, noise)
        log_w = log_w + (later - now) * _energies(z, x, slope, noise)
    return {"log_w": log_w}


def reverse_log_weights(z, eps, betas, x, slope, noise):
    remaining = list(eps)
    log_w = torch.zeros_like(z)
    for high, low in zip(betas.flip(0)[:-1], betas.flip(0)[1:], strict=True):
        log_w = log_w + (high - low) * _energies(z, x, slope, noise)
        if remaining:
            z = _step(z, remaining.pop(), low, x, slope, noise)
    return log_w


def sandwich(forward, reverse):
    forward, reverse = forward.flip(0), reverse.sort().values
    lower = torch.logsumexp(forward - math.log(forward.numel()), 0)
    upper = -torch.logsumexp(-reverse - math.log(reverse.numel()), 0)
    return {"upper": upper, "lower": lower}
