"""Recursion in place of loops; running updates in place of sums."""

import math

import torch


def log_weights(eps, x, loc, log_sd, slope, noise):
    if len(eps) > 1:
        first = log_weights(eps[:1], x, loc, log_sd, slope, noise)
        rest = log_weights(eps[1:], x, loc, log_sd, slope, noise)
        return torch.cat([first[0], rest[0]]), torch.cat([first[1], rest[1]])
    z = torch.lerp(loc, loc + log_sd.exp(), eps)
    log_p = torch.distributions.Normal(z @ slope.mT, noise).log_prob(x).sum(-1)
    ratio = 0.5 * (eps**2 - z**2) + log_sd
    return z, log_p + ratio.sum(-1)


def iwae_bound(log_w):
    if len(log_w) == 1:
        return log_w[0]
    share = 1 / len(log_w)
    rest = iwae_bound(log_w[1:])
    return torch.logaddexp(log_w[0] + math.log(share), rest + math.log1p(-share))


def dreg_loss(eps, x, loc, log_sd, slope, noise):
    sd = torch.exp(log_sd)
    z = loc.expand_as(eps) + sd.expand_as(eps) * eps
    held_loc, held_sd = loc.clone().detach(), sd.clone().detach()

    def log_weight(place):
        log_p = -0.5 * ((x - place @ slope.T) / noise).square().sum(-1) - 0.5 * place.square().sum(
            -1
        )
        return log_p + 0.5 * ((place - held_loc) / held_sd).square().sum(-1)

    log_w = log_weight(z)
    log_share = torch.log_softmax(log_w, 0).detach()
    return -(torch.exp(2 * log_share) * log_w).sum(1).sum()


def self_normalised(log_w, values):
    top, total, mean, squares = log_w[0], torch.ones_like(log_w[0]), values[0], 1.0
    for each, value in zip(log_w[1:], values[1:], strict=True):
        new = torch.maximum(top, each)
        shrink, w = (top - new).exp(), (each - new).exp()
        total, squares, top = total * shrink + w, squares * shrink**2 + w**2, new
        mean = mean + (value - mean) * w / total
    return mean, total**2 / squares


def tail_excess(log_w):
    count = math.ceil(min(len(log_w) / 5, 3 * math.sqrt(len(log_w))))
    w = torch.exp(log_w - log_w.max())
    cut = w.kthvalue(len(w) - count).values
    return (w[w > cut] - cut).sort().values


def k_hat(excess):
    count, largest = len(excess), excess[-1]
    tried = 30 + math.isqrt(count)
    quartile = excess[round(count / 4 + 1e-9) - 1] if count % 4 != 2 else excess[count // 4]

    def theta(j):
        return 1 / largest + (1 - math.sqrt(tried / (j - 0.5))) / (3 * quartile)

    def shape(value):
        return (1 - value * excess).log().mean()

    grid = [theta(j) for j in range(1, tried + 1)]
    logs = torch.stack([count * ((-t / shape(t)).log() - shape(t) - 1) for t in grid])
    best = (torch.exp(logs - logs.logsumexp(0)) * torch.stack(grid)).sum()
    return (count * shape(best) + 5) / (10 + count)


def _energy(z, x, slope, noise):
    return sum(
        torch.distributions.Normal(a * z, noise).log_prob(value)
        for a, value in zip(slope, x, strict=True)
    )


def _kernel(z, eps, beta, x, slope, noise):
    precision = torch.addcmul(torch.ones_like(beta), beta, (slope @ slope) / noise**2)
    mean = beta * (slope @ x) / (noise**2 * precision)
    return torch.lerp(mean.expand_as(z), z, 0.6) + 0.8 * eps * precision**-0.5


def ais_log_weights(z, eps, betas, x, slope, noise):
    here = (betas[1] - betas[0]) * _energy(z, x, slope, noise)
    if len(betas) == 2:
        return here
    z = _kernel(z, eps[0], betas[1], x, slope, noise)
    return here + ais_log_weights(z, eps[1:], betas[1:], x, slope, noise)


def reverse_log_weights(z, eps, betas, x, slope, noise):
    here = (betas[-1] - betas[-2]) * _energy(z, x, slope, noise)
    if len(betas) == 2:
        return here
    z = _kernel(z, eps[0], betas[-2], x, slope, noise)
    return here + reverse_log_weights(z, eps[1:], betas[:-1], x, slope, noise)


def sandwich(forward, reverse):
    lower = iwae_bound(forward[:, None]).squeeze()
    upper = -iwae_bound(-reverse[:, None]).squeeze()
    return lower, upper
