"""Quadratic forms multiplied out; gradients derived by hand."""

import math

import torch


def log_weights(eps, x, loc, log_sd, slope, noise):
    z = eps * log_sd.exp() + loc
    fitted = torch.einsum("knl,dl->knd", z, slope)
    joint = -0.5 * (x - fitted).square().sum(-1) / noise.square() - 0.5 * z.square().sum(-1)
    constant = -0.5 * x.shape[-1] * torch.log(2 * math.pi * noise**2)
    # the constants of prior and guide cancel, and (z - loc) / sd is the noise
    return z, joint + constant + 0.5 * eps.square().sum(-1) + log_sd.sum(-1)


def iwae_bound(log_w):
    return torch.log_softmax(log_w, 0).neg().add(log_w).mean(0) - math.log(len(log_w))


def dreg_loss(eps, x, loc, log_sd, slope, noise):
    sd = log_sd.exp()
    with torch.no_grad():
        z = loc + sd * eps
        error = x - z @ slope.T
        log_w = -0.5 * (error**2).sum(-1) / noise**2 - 0.5 * (z**2 - eps**2).sum(-1)
        weights = torch.softmax(log_w, 0).square()[..., None]
        by_z = weights * (error @ slope / noise**2 - z + eps / sd)
        by_loc, by_log_sd = by_z.sum(0), (by_z * sd * eps).sum(0)
    return -(by_loc * loc + by_log_sd * log_sd).sum()


def self_normalised(log_w, values):
    total = torch.logsumexp(log_w, 0)
    estimate = ((log_w - total).exp() * values).sum(0)
    return estimate, (2 * total - torch.logsumexp(2 * log_w, 0)).exp()


def tail_excess(log_w):
    size = len(log_w)
    count = -(-size // 5) if size < 225 else math.ceil(3 * math.sqrt(size))
    ordered = log_w.sort(descending=True).values[: count + 1] - log_w.max()
    # exp(a) - exp(b) = exp(a) (1 - exp(b - a))
    excess = -ordered[:-1].exp() * torch.expm1(ordered[-1] - ordered[:-1])
    return excess.flip(0)


def k_hat(excess):
    scale = excess[-1]
    e, count = excess / scale, len(excess)
    tried = int(30 + count**0.5)
    j = torch.arange(tried, dtype=e.dtype) + 0.5
    theta = 1 + (1 - (tried / j) ** 0.5) / (3 * e[int(count / 4 + 0.5) - 1])
    shape = (1 - theta[:, None] * e).log().mean(1)
    density = count * (torch.log(theta / -shape) - shape)
    best = (density.softmax(0) * theta).sum()
    shape = (1 - best * e).log().mean()
    return shape + (0.5 - shape) * 10 / (count + 10)


def _energy(z, x, slope, noise):
    square = x @ x - 2 * z * (x @ slope) + z**2 * (slope @ slope)
    return -0.5 * square / noise**2 - 0.5 * len(x) * torch.log(2 * math.pi * noise**2)


def _states(z, eps, betas, x, slope, noise):
    precision = 1 + betas * (slope @ slope) / noise**2
    mean = betas * (slope @ x) / noise**2 / precision
    states = [z]
    for m, c, e in zip(mean, precision, eps, strict=True):
        states.append(0.6 * states[-1] + 0.4 * m + 0.8 * e * c.rsqrt())
    return torch.stack(states)


def ais_log_weights(z, eps, betas, x, slope, noise):
    energies = _energy(_states(z, eps, betas[1:-1], x, slope, noise), x, slope, noise)
    # summation by parts: beta_T e_T - sum_t beta_t (e_{t+1} - e_t)
    return betas[-1] * energies[-1] - (betas[1:-1, None] * energies.diff(dim=0)).sum(0)


def reverse_log_weights(z, eps, betas, x, slope, noise):
    down = betas.flip(0)
    energies = _energy(_states(z, eps, down[1:-1], x, slope, noise), x, slope, noise)
    return ((down[:-1] - down[1:])[:, None] * energies).sum(0)


def sandwich(forward, reverse):
    lower = (forward.logsumexp(0).double() - math.log(len(forward))).to(forward.dtype)
    upper = -((-reverse).logsumexp(0) - math.log(len(reverse)))
    return lower, upper
