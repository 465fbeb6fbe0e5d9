"""Python loops over rows, units and coordinates; a sequential inverse."""

import math

import torch


def _network(u, w1, b1, w2, b2):
    out = torch.tanh(u @ w1.T + b1) @ w2.T + b2
    return out[:, : u.shape[1]], out[:, u.shape[1] :]


def masks(degrees, size):
    first, second = torch.zeros(len(degrees), size), torch.zeros(size, len(degrees))
    for h, degree in enumerate(degrees.tolist()):
        first[h, :degree] = 1
        second[degree:, h] = 1
    return first, second


def inverse_autoregressive(u, w1, b1, w2, b2):
    z, log_det = torch.empty_like(u), torch.zeros_like(u[:, 0])
    for n in range(len(u)):
        shift, log_scale = _network(u[n : n + 1], w1, b1, w2, b2)
        for i in range(u.shape[1]):
            z[n, i] = shift[0, i] + math.exp(log_scale[0, i]) * u[n, i]
            log_det[n] += log_scale[0, i]
    return z, log_det


def planar(u, a, w, b):
    z, log_det = [], []
    for row in u:
        t = sum(x * y for x, y in zip(row, w, strict=True)) + b
        z.append(torch.stack([x + y * torch.tanh(t) for x, y in zip(row, a, strict=True)]))
        strength = sum(x * y for x, y in zip(a, w, strict=True))
        log_det.append(torch.log(1 + strength / torch.cosh(t) ** 2))
    return torch.stack(z), torch.stack(log_det)


def log_density(eps, log_sd, log_dets):
    total = torch.zeros_like(eps[:, 0])
    for i in range(eps.shape[1]):
        total = total - eps[:, i] ** 2 / 2 - log_sd[:, i] - math.log(math.sqrt(2 * math.pi))
    for layer in log_dets:
        total = total - layer
    return total


def invert(z, w1, b1, w2, b2):
    u = torch.zeros_like(z)
    for i in range(z.shape[1]):
        shift, log_scale = _network(u, w1, b1, w2, b2)
        u[:, i] = (z[:, i] - shift[:, i]) / log_scale[:, i].exp()
    return u


def inference_gap(loc, log_sd, mean, precision):
    gap = torch.zeros_like(loc[:, 0])
    size = loc.shape[1]
    for n in range(len(loc)):
        total = -size - torch.log(torch.linalg.det(precision))
        for i in range(size):
            total = total + precision[i, i] * log_sd[n, i].exp() ** 2 - 2 * log_sd[n, i]
            for j in range(size):
                error_i, error_j = loc[n, i] - mean[n, i], loc[n, j] - mean[n, j]
                total = total + error_i * precision[i, j] * error_j
        gap[n] = total / 2
    return gap


def gaps(loc, log_sd, mean, precision):
    best = -0.5 * torch.log(precision.diagonal())
    approximation = inference_gap(mean[:1], best[None], mean[:1], precision)[0]
    return approximation, inference_gap(loc, log_sd, mean, precision) - approximation
