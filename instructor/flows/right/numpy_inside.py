"""NumPy inside; tensors come in and go out."""

import numpy as np
import torch
from scipy.linalg import solve_triangular
from scipy.stats import norm


def _arrays(*tensors):
    return [tensor.detach().double().numpy() for tensor in tensors]


def masks(degrees, size):
    d, order = degrees.numpy(), np.arange(1, size + 1)
    first = np.greater_equal.outer(d, order)
    second = np.greater.outer(order, d)
    return torch.from_numpy(first.astype(float)), torch.from_numpy(second.astype(float))


def _parts(u, w1, b1, w2, b2):
    out = np.tanh(u @ w1.T + b1) @ w2.T + b2
    return np.split(out, 2, axis=-1)


def inverse_autoregressive(u, w1, b1, w2, b2):
    x, *weights = _arrays(u, w1, b1, w2, b2)
    shift, log_scale = _parts(x, *weights)
    z, log_det = shift + np.exp(log_scale) * x, np.log(np.prod(np.exp(log_scale), axis=-1))
    return torch.tensor(z, dtype=u.dtype), torch.tensor(log_det, dtype=u.dtype)


def planar(u, a, w, b):
    x, direction, normal, offset = _arrays(u, a, w, b)
    t = np.tanh(x @ normal + offset)
    z = x + np.multiply.outer(t, direction)
    jacobians = np.eye(len(direction)) + (1 - t**2)[:, None, None] * np.outer(direction, normal)
    log_det = np.linalg.slogdet(jacobians)[1]
    return torch.tensor(z, dtype=u.dtype), torch.tensor(log_det, dtype=u.dtype)


def log_density(eps, log_sd, log_dets):
    e, r, dets = _arrays(eps, log_sd, log_dets)
    base = norm.logpdf(np.exp(r) * e, scale=np.exp(r)).sum(1)
    return torch.tensor(base - dets.sum(axis=0), dtype=eps.dtype)


def invert(z, w1, b1, w2, b2):
    target, *weights = _arrays(z, w1, b1, w2, b2)
    u = np.zeros_like(target)
    while True:
        shift, log_scale = _parts(u, *weights)
        new = (target - shift) / np.exp(log_scale)
        if np.array_equal(new, u):
            return torch.tensor(u, dtype=z.dtype)
        u = new


def inference_gap(loc, log_sd, mean, precision):
    m, r, mu, p = _arrays(loc, log_sd, mean, precision)
    root = np.linalg.cholesky(np.linalg.inv(p))
    error = solve_triangular(root, (m - mu).T, lower=True)
    trace = np.array([np.trace(p @ np.diag(np.exp(2 * each))) for each in r])
    log_ratio = 2 * np.log(np.diag(root)).sum() - 2 * r.sum(1)
    gap = 0.5 * ((error**2).sum(0) + trace - m.shape[1] + log_ratio)
    return torch.tensor(gap, dtype=loc.dtype)


def gaps(loc, log_sd, mean, precision):
    m, r, mu, p = _arrays(loc, log_sd, mean, precision)
    approximation = 0.5 * (np.log(np.diag(p)).sum() - np.linalg.slogdet(p)[1])
    ratio = np.exp(2 * r) * np.diag(p)
    amortisation = 0.5 * (((m - mu) @ p * (m - mu)).sum(1) + (ratio - 1 - np.log(ratio)).sum(1))
    return (
        torch.tensor(approximation, dtype=loc.dtype),
        torch.tensor(amortisation, dtype=loc.dtype),
    )
