"""Python loops over draws and rows."""

import math

import torch


def _log_normal(value, mean, sd):
    total = torch.zeros((), dtype=value.dtype)
    for v, m, s in zip(value, mean, sd, strict=True):
        total = total - ((v - m) / s) ** 2 / 2 - torch.log(s) - math.log(2 * math.pi) / 2
    return total


def _one(z, x, loc, sd, slope, noise):
    ones = torch.ones_like(z)
    log_p = _log_normal(x, slope @ z, noise * torch.ones_like(x))
    return log_p + _log_normal(z, 0 * ones, ones) - _log_normal(z, loc, sd)


def log_weights(eps, x, loc, log_sd, slope, noise):
    z = torch.empty_like(eps)
    log_w = eps.new_empty(eps.shape[:2])
    for k in range(eps.shape[0]):
        for n in range(eps.shape[1]):
            z[k, n] = loc[n] + torch.exp(log_sd[n]) * eps[k, n]
            log_w[k, n] = _one(z[k, n], x[n], loc[n], log_sd[n].exp(), slope, noise)
    return z, log_w


def iwae_bound(log_w):
    bound = log_w[0]
    for each in log_w[1:]:
        bound = torch.logaddexp(bound, each)
    return bound - math.log(log_w.shape[0])


def dreg_loss(eps, x, loc, log_sd, slope, noise):
    loss = 0.0
    for k in range(len(eps)):
        z = loc + log_sd.exp() * eps[k]
        log_w = []
        for other in range(len(eps)):
            place = z if other == k else (loc + log_sd.exp() * eps[other]).detach()
            log_p = -(((x - place @ slope.T) / noise) ** 2).sum(-1) / 2 - (place**2).sum(-1) / 2
            spread = log_sd.detach()
            standard = (place - loc.detach()) * (-spread).exp()
            log_w.append(log_p + (standard**2).sum(-1) / 2 + spread.sum(-1))
        share = torch.stack(log_w).softmax(0)[k].detach()
        loss = loss - (share**2 * log_w[k]).sum()
    return loss


def self_normalised(log_w, values):
    estimate, ess = torch.zeros_like(log_w[0]), torch.zeros_like(log_w[0])
    for n in range(log_w.shape[1]):
        w = [math.exp(each - max(log_w[:, n].tolist())) for each in log_w[:, n].tolist()]
        pairs = zip(w, values[:, n].tolist(), strict=True)
        estimate[n] = sum(a * b for a, b in pairs) / sum(w)
        ess[n] = sum(w) ** 2 / sum(a * a for a in w)
    return estimate, ess


def tail_excess(log_w):
    ordered = sorted((log_w - log_w.max()).tolist(), reverse=True)
    count = 0
    while count < min(len(ordered) / 5, 3 * math.sqrt(len(ordered))):
        count += 1
    cut = math.exp(ordered[count])
    tail = [math.exp(each) - cut for each in ordered[:count]]
    return torch.tensor(tail[::-1], dtype=log_w.dtype)


def k_hat(excess):
    e = excess.tolist()
    tried = 30 + math.isqrt(len(e))
    first = e[int(len(e) / 4 + 0.5) - 1]
    thetas, profile = [], []
    for j in range(1, tried + 1):
        theta = 1 / e[-1] + (1 - math.sqrt(tried / (j - 0.5))) / (3 * first)
        k = sum(math.log1p(-theta * each) for each in e) / len(e)
        thetas.append(theta)
        profile.append(len(e) * (math.log(-theta / k) - k - 1))
    weights = [math.exp(each - max(profile)) for each in profile]
    theta = sum(w * t for w, t in zip(weights, thetas, strict=True)) / sum(weights)
    k = sum(math.log1p(-theta * each) for each in e) / len(e)
    return torch.tensor((len(e) * k + 5) / (len(e) + 10), dtype=excess.dtype)


def _energy(z, x, slope, noise):
    total = 0
    for d in range(len(x)):
        total = total - 0.5 * ((x[d] - slope[d] * z) / noise) ** 2
    return total - len(x) * (torch.log(noise) + 0.5 * math.log(2 * math.pi))


def _step(z, eps, beta, x, slope, noise):
    precision = 1 + beta * sum(a * a for a in slope) / noise**2
    mean = beta * sum(a * b for a, b in zip(slope, x, strict=True)) / noise**2 / precision
    return 0.4 * mean + 0.6 * z + 0.8 * eps / precision**0.5


def ais_log_weights(z, eps, betas, x, slope, noise):
    log_w = (betas[1] - betas[0]) * _energy(z, x, slope, noise)
    for t in range(1, len(betas) - 1):
        z = _step(z, eps[t - 1], betas[t], x, slope, noise)
        log_w = log_w + (betas[t + 1] - betas[t]) * _energy(z, x, slope, noise)
    return log_w


def reverse_log_weights(z, eps, betas, x, slope, noise):
    last = len(betas) - 1
    log_w = (betas[last] - betas[last - 1]) * _energy(z, x, slope, noise)
    for t in range(last - 1, 0, -1):
        z = _step(z, eps[t - 1], betas[t], x, slope, noise)
        log_w = log_w + (betas[t] - betas[t - 1]) * _energy(z, x, slope, noise)
    return log_w


def sandwich(forward, reverse):
    lower, upper = forward[0], -reverse[0]
    for each in forward[1:]:
        lower = torch.logaddexp(lower, each)
    for each in reverse[1:]:
        upper = torch.logaddexp(upper, -each)
    return lower - math.log(len(forward)), -(upper - math.log(len(reverse)))
