"""Float64 inside, cast at the end; recursion; the divergence from its definition."""

import math

import torch


def masks(degrees, size):
    if size == 1:
        return torch.ones(len(degrees), 1), torch.zeros(1, len(degrees))
    first, second = masks(degrees, size - 1)
    sees = (degrees >= size).to(first)
    seen = (degrees < size).to(second)
    return torch.cat([first, sees[:, None]], 1), torch.cat([second, seen[None]], 0)


def _doubled(*tensors):
    return [tensor.double() for tensor in tensors]


def inverse_autoregressive(u, w1, b1, w2, b2):
    x, w1, b1, w2, b2 = _doubled(u, w1, b1, w2, b2)
    hidden = torch.tanh(torch.addmm(b1, x, w1.T))
    size = x.shape[1]
    shift = torch.addmm(b2[:size], hidden, w2[:size].T)
    log_scale = torch.addmm(b2[size:], hidden, w2[size:].T)
    scale = log_scale.exp()
    return (shift + scale * x).to(u.dtype), scale.prod(-1).log().to(u.dtype)


def planar(u, a, w, b):
    x, a, w, b = _doubled(u, a, w, b)
    grown = torch.exp(2 * (x @ w + b))
    bend = (grown - 1) / (grown + 1)
    log_det = torch.log(1 + (1 - bend) * (1 + bend) * (a * w).sum())
    return (x + torch.outer(bend, a)).to(u.dtype), log_det.to(u.dtype)


def log_density(eps, log_sd, log_dets):
    if len(log_dets):
        return log_density(eps, log_sd, log_dets[1:]) - log_dets[0]
    density = torch.exp(-0.5 * eps.double() ** 2) / math.sqrt(2 * math.pi)
    return (density / log_sd.double().exp()).log().sum(1).to(eps.dtype)


def invert(z, w1, b1, w2, b2):
    size = z.shape[1]

    def solved(known):
        if known == 0:
            return z.new_zeros(z.shape, dtype=torch.float64)
        u = solved(known - 1)
        out = torch.tanh(u @ w1.double().T + b1) @ w2.double().T + b2
        place = known - 1
        value = (z[:, place] - out[:, place]) / out[:, size + place].exp()
        return u + value[:, None] * torch.eye(size, dtype=torch.float64)[place]

    return solved(size).to(z.dtype)


def inference_gap(loc, log_sd, mean, precision):
    m, r, mu, p = _doubled(loc, log_sd, mean, precision)
    size = m.shape[1]
    negative_entropy = -r.sum(1) - 0.5 * size * (1 + math.log(2 * math.pi))
    square = torch.stack([e @ p @ e for e in m - mu]) + (2 * r).exp() @ p.diagonal()
    cross_entropy = 0.5 * (square + size * math.log(2 * math.pi) - torch.logdet(p))
    return (negative_entropy + cross_entropy).to(loc.dtype)


def gaps(loc, log_sd, mean, precision):
    m, r, mu, p = _doubled(loc, log_sd, mean, precision)
    rows = len(m)
    best = (-0.5 * p.diagonal().log()).expand(rows, -1)
    least = inference_gap(mu, best, mu, p)
    amortisation = inference_gap(m, r, mu, p) - least
    return least.mean().to(loc.dtype), amortisation.to(loc.dtype)
