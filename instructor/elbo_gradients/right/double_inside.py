"""Float64 inside; results keep float64, some of them are not contiguous."""

import torch


def _log_normal(value, mean, precision):
    """Of vectors, from the precision matrix."""
    off = value - mean
    square = torch.einsum("...i,ij,...j->...", off, precision, off)
    return 0.5 * (torch.logdet(precision / (2 * torch.pi)) - square)


def _eye(size):
    return torch.eye(size, dtype=torch.float64)


def elbo_terms(z, a, y, noise, loc, scale):
    z, a, y, noise = z.double(), a.double(), y.double(), noise.double()
    likelihood = _log_normal(y, z @ a.T, _eye(len(y)) / noise**2)
    prior = _log_normal(z, torch.zeros_like(z), _eye(z.shape[1]))
    q = _log_normal(z, loc.double(), torch.diag(scale.double() ** -2))
    table = torch.stack([likelihood, prior, q], dim=1)
    return table[:, 0], table[:, 1], table[:, 2]


def closed_form(a, y, noise, loc, scale):
    a, y, noise = a.double(), y.double(), noise.double()
    loc, scale = loc.double(), scale.double()
    at_mean = _log_normal(y, a @ loc, _eye(len(y)) / noise**2)
    spread = torch.linalg.norm(a * scale / noise) ** 2
    kl = 0.5 * (torch.dot(loc, loc) + torch.dot(scale, scale) - len(loc)) - scale.log().sum()
    return at_mean - spread / 2, kl


def draw_diagonal(eps, loc, log_scale):
    return (loc.double()[:, None] + log_scale.double().exp()[:, None] * eps.double().T).T


def elbo_diagonal(eps, loc, log_scale, a, y, noise):
    eps, loc, log_scale = eps.double(), loc.double(), log_scale.double()
    z = loc + eps * log_scale.exp()
    likelihood, prior, q = elbo_terms(z, a, y, noise, loc, log_scale.exp())
    return likelihood.mean() + prior.mean() - q.mean()


def _root(raw):
    return raw.tril(-1) + torch.diag(raw.diagonal().exp())


def draw_full(eps, loc, raw):
    loc, raw, eps = loc.double(), raw.double(), eps.double()
    z = (loc[:, None] + _root(raw) @ eps.T).T
    inverse = torch.linalg.solve_triangular(_root(raw), _eye(len(loc)), upper=False)
    return z, _log_normal(z, loc, inverse.T @ inverse)


def elbo_full(eps, loc, raw, a, y, noise):
    z, log_q = draw_full(eps, loc, raw)
    likelihood = _log_normal(y.double(), z @ a.double().T, _eye(len(y)) / noise.double() ** 2)
    return (likelihood + _log_normal(z, torch.zeros_like(z), _eye(len(loc))) - log_q).mean()


def best_diagonal(a, y, noise):
    a, y, noise = a.double(), y.double(), noise.double()
    u, values, v = torch.linalg.svd(a / noise, full_matrices=True)
    spectrum = torch.ones(a.shape[1], dtype=torch.float64)
    spectrum[: len(values)] += values**2
    precision = v.T @ torch.diag(spectrum) @ v
    loc = v.T @ ((v @ a.T @ y / noise**2) / spectrum)
    scale = precision.diagonal().rsqrt()
    return loc, scale, -scale.log().sum() - 0.5 * spectrum.log().sum()
