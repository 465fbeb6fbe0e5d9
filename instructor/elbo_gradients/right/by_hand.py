"""Log densities written out, with loops over draws and coordinates."""

import math

import torch

LOG_2PI = math.log(2 * math.pi)


def _log_normal(value, mean, scale):
    return -0.5 * ((value - mean) / scale) ** 2 - torch.log(scale) - 0.5 * LOG_2PI


def elbo_terms(z, a, y, noise, loc, scale):
    one = torch.ones_like(noise)
    likelihood, prior, q = [], [], []
    for row in z:
        likelihood.append(sum(_log_normal(y[i], a[i] @ row, noise) for i in range(len(y))))
        prior.append(sum(_log_normal(value, 0.0, one) for value in row))
        q.append(sum(_log_normal(row[i], loc[i], scale[i]) for i in range(len(row))))
    return torch.stack(likelihood), torch.stack(prior), torch.stack(q)


def closed_form(a, y, noise, loc, scale):
    expected = torch.zeros_like(noise)
    for i in range(len(y)):
        expected = expected + _log_normal(y[i], a[i] @ loc, noise)
        for j in range(len(loc)):
            expected = expected - a[i, j] ** 2 * scale[j] ** 2 / (2 * noise**2)
    kl = torch.zeros_like(noise)
    for m, s in zip(loc, scale, strict=True):
        kl = kl + 0.5 * (s**2 + m**2 - 1 - torch.log(s**2))
    return expected, kl


def draw_diagonal(eps, loc, log_scale):
    rows = []
    for row in eps:
        rows.append(
            torch.stack([loc[i] + torch.exp(log_scale[i]) * row[i] for i in range(len(row))])
        )
    return torch.stack(rows)


def elbo_diagonal(eps, loc, log_scale, a, y, noise):
    total = 0.0
    for row in reversed(eps.unbind()):
        z = loc + torch.exp(log_scale) * row
        total = total + _log_normal(y, a @ z, noise).sum()
        total = total + _log_normal(z, 0.0, torch.ones_like(z)).sum()
        total = total - _log_normal(z, loc, torch.exp(log_scale)).sum()
    return total / len(eps)


def draw_full(eps, loc, raw):
    draws, densities = [], []
    for row in eps:
        z = []
        for i in range(len(loc)):
            value = loc[i] + torch.exp(raw[i, i]) * row[i]
            for j in range(i):
                value = value + raw[i, j] * row[j]
            z.append(value)
        draws.append(torch.stack(z))
        log_noise = sum(_log_normal(value, 0.0, torch.ones_like(value)) for value in row)
        densities.append(log_noise - sum(raw[i, i] for i in range(len(loc))))
    return torch.stack(draws), torch.stack(densities)


def elbo_full(eps, loc, raw, a, y, noise):
    draws, log_q = draw_full(eps, loc, raw)
    total = 0.0
    for z, density in zip(draws, log_q, strict=True):
        log_p = _log_normal(y, a @ z, noise).sum() + _log_normal(z, 0.0, torch.ones_like(z)).sum()
        total = total + log_p - density
    return total / len(eps)


def best_diagonal(a, y, noise):
    size = a.shape[1]
    rows = [
        [(a[:, i] * a[:, j]).sum() / noise**2 + float(i == j) for j in range(size)]
        for i in range(size)
    ]
    precision = torch.stack([torch.stack(row) for row in rows])
    loc = torch.inverse(precision) @ (a.T @ y) / noise**2
    scale = torch.stack([1 / precision[i, i].sqrt() for i in range(size)])
    gap = sum(torch.log(precision[i, i]) for i in range(size)) - torch.log(torch.det(precision))
    return loc, scale, gap / 2
