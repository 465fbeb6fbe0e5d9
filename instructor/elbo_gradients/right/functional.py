"""torch.func: one draw at a time under vmap, gradients by hand where the part allows it."""

import math

import torch
from torch.func import vmap

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _standard(v):
    return -0.5 * v @ v - len(v) * HALF_LOG_2PI


def elbo_terms(z, a, y, noise, loc, scale):
    def one(row):
        likelihood = _standard((y - a @ row) / noise) - len(y) * noise.log()
        return likelihood, _standard(row), _standard((row - loc) / scale) - scale.log().sum()

    return vmap(one)(z)


def closed_form(a, y, noise, loc, scale):
    precision = a.T @ a / noise**2
    fitted = _standard((y - a @ loc) / noise) - len(y) * noise.log()
    expected = fitted - 0.5 * (precision.diagonal() * scale**2).sum()
    prior = _standard(loc) - 0.5 * scale.pow(2).sum()
    entropy = (0.5 + HALF_LOG_2PI + scale.log()).sum()
    return expected, -(entropy + prior)


def draw_diagonal(eps, loc, log_scale):
    def one(noise, m, rho):
        return m + noise * rho.exp()

    return vmap(vmap(one, (0, 0, 0)), (0, None, None))(eps, loc, log_scale)


def elbo_diagonal(eps, loc, log_scale, a, y, noise):
    def one(row):
        z = loc + log_scale.exp() * row
        log_p = _standard((y - a @ z) / noise) - len(y) * noise.log() + _standard(z)
        return log_p - (_standard(row) - log_scale.sum())

    return vmap(one)(eps).sum() / eps.shape[0]


def draw_full(eps, loc, raw):
    mask = torch.tril(torch.ones_like(raw), -1)

    def one(row):
        z = loc + (raw * mask) @ row + raw.diagonal().exp() * row
        return z, _standard(row) - raw.trace()

    return vmap(one)(eps)


def elbo_full(eps, loc, raw, a, y, noise):
    z, log_q = draw_full(eps, loc, raw)

    def log_joint(row):
        return _standard((y - a @ row) / noise) - len(y) * noise.log() + _standard(row)

    return vmap(log_joint)(z).mean() - log_q.mean()


def best_diagonal(a, y, noise):
    """The mean from least squares with the prior as further rows of data."""
    size = a.shape[1]
    rows = torch.cat([a / noise, torch.eye(size, dtype=a.dtype)])
    target = torch.cat([y / noise, torch.zeros(size, dtype=a.dtype)])
    loc = torch.linalg.lstsq(rows, target[:, None]).solution.flatten()
    r = torch.linalg.qr(rows).R
    norms = torch.linalg.vector_norm(rows, dim=0)
    return loc, norms.reciprocal(), norms.log().sum() - r.diagonal().abs().log().sum()
