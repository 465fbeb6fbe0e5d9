"""NumPy and SciPy inside; tensors come in and go out."""

import math

import numpy as np
import torch
from scipy.special import logsumexp
from scipy.stats import norm


def _arrays(*tensors):
    return [tensor.detach().double().numpy() for tensor in tensors]


def _log_w(eps, x, loc, log_sd, slope, noise):
    e, x, m, r, a, s = _arrays(eps, x, loc, log_sd, slope, noise)
    z = m + np.exp(r) * e
    log_p = norm.logpdf(x, z @ a.T, s).sum(-1) + norm.logpdf(z).sum(-1)
    return z, log_p - norm.logpdf(z, m, np.exp(r)).sum(-1)


def log_weights(eps, x, loc, log_sd, slope, noise):
    z, log_w = _log_w(eps, x, loc, log_sd, slope, noise)
    return torch.tensor(z, dtype=eps.dtype), torch.tensor(log_w, dtype=eps.dtype)


def iwae_bound(log_w):
    (w,) = _arrays(log_w)
    return torch.from_numpy(logsumexp(w, axis=0, b=1 / len(w))).to(log_w.dtype)


def dreg_loss(eps, x, loc, log_sd, slope, noise):
    _, log_w = _log_w(eps, x, loc, log_sd, slope, noise)
    share = np.exp(log_w - logsumexp(log_w, axis=0))
    share = torch.tensor(share, dtype=eps.dtype)
    z = loc + log_sd.exp() * eps
    fixed = (z - loc.detach()) / log_sd.detach().exp()
    log_q = -0.5 * (fixed**2).sum(-1)
    log_p = -0.5 * ((x - z @ slope.T) ** 2).sum(-1) / noise**2 - 0.5 * (z**2).sum(-1)
    return torch.tensordot(share**2, log_q - log_p, dims=2)


def self_normalised(log_w, values):
    w, h = _arrays(log_w, values)
    w = np.exp(w - w.max(0))
    estimate = np.array([np.average(h[:, n], weights=w[:, n]) for n in range(w.shape[1])])
    size = w.sum(0) ** 2 / np.einsum("sn,sn->n", w, w)
    return torch.tensor(estimate, dtype=log_w.dtype), torch.tensor(size, dtype=log_w.dtype)


def tail_excess(log_w):
    (logs,) = _arrays(log_w)
    w = np.sort(np.exp(logs - logs.max()))[::-1]
    count = int(np.ceil(min(len(w) / 5, 3 * np.sqrt(len(w)))))
    return torch.tensor(np.ascontiguousarray((w[:count] - w[count])[::-1]), dtype=log_w.dtype)


def k_hat(excess):
    (e,) = _arrays(excess)
    tried = 30 + int(np.sqrt(len(e)))
    j = np.arange(1, tried + 1)
    theta = 1 / e[-1] + (1 - np.sqrt(tried / (j - 0.5))) / 3 / e[int(len(e) / 4 + 0.5) - 1]
    shape = np.log1p(-np.outer(theta, e)).mean(1)
    log_profile = len(e) * (np.log(-theta / shape) - shape - 1)
    weights = np.exp(log_profile - logsumexp(log_profile))
    k = np.mean(np.log1p(-np.dot(weights, theta) * e))
    return torch.tensor(np.average([k, 0.5], weights=[len(e), 10]), dtype=excess.dtype)


def _run(z, eps, betas, x, slope, noise):
    state, e, b, x, a, s = _arrays(z, eps, betas, x, slope, noise)
    log_w = np.zeros_like(state)
    for t in range(len(b) - 1):
        log_w += abs(b[t + 1] - b[t]) * norm.logpdf(x[:, None], np.outer(a, state), s).sum(0)
        if t < len(e):
            variance = 1 / (1 + b[t + 1] * a @ a / s**2)
            mean = variance * b[t + 1] * a @ x / s**2
            state = mean + 0.6 * (state - mean) + 0.8 * np.sqrt(variance) * e[t]
    return torch.tensor(log_w, dtype=z.dtype)


def ais_log_weights(z, eps, betas, x, slope, noise):
    return _run(z, eps, betas, x, slope, noise)


def reverse_log_weights(z, eps, betas, x, slope, noise):
    return _run(z, eps, betas.flip(0), x, slope, noise)


def sandwich(forward, reverse):
    up, down = _arrays(forward, reverse)
    lower, upper = logsumexp(up) - math.log(len(up)), math.log(len(down)) - logsumexp(-down)
    return torch.tensor(lower, dtype=forward.dtype), torch.tensor(upper, dtype=forward.dtype)
