"""NumPy and SciPy inside where no gradient is needed."""

import numpy as np
import torch
from scipy import special


def _arrays(*tensors):
    return [one.numpy() for one in tensors]


def log_joint(x, z, b, w, c):
    x, z, b, w, c = _arrays(x, z, b, w, c)
    a = z @ w + c
    prior = (z * b - np.logaddexp(0, b)).sum(axis=1)
    return torch.from_numpy(prior + (x * a - np.logaddexp(0, a)).sum(axis=1))


def dream(b, w, c, u_z, u_x):
    kind = b.dtype
    b, w, c, u_z, u_x = _arrays(b, w, c, u_z, u_x)
    z = np.where(u_z < special.expit(b), 1.0, 0.0)
    x = np.where(u_x < special.expit(z @ w + c), 1.0, 0.0)
    return torch.from_numpy(z).to(kind), torch.from_numpy(x).to(kind)


def wake_gradient(x, z, b, w, c):
    x, z, b, w, c = _arrays(x, z, b, w, c)
    error = x - special.expit(z @ w + c)
    outer = np.mean(z[:, :, None] * error[:, None, :], axis=0)
    slopes = z.mean(axis=0) - special.expit(b), outer, error.mean(axis=0)
    return tuple(map(torch.from_numpy, slopes))


def sleep_gradient(x, z, v, a):
    x, z, v, a = _arrays(x, z, v, a)
    error = z - special.expit(x @ v + a)
    slope = np.average(x[:, :, None] * error[:, None, :], axis=0)
    return torch.from_numpy(slope), torch.from_numpy(np.average(error, axis=0))


def wake_sleep_step(x, b, w, c, v, a, rate, recognise, dream, wake_gradient, sleep_gradient):
    # The sleep phase first: both phases use the parameters of the start.
    causes, dreams = dream(len(x))
    slope_v, slope_a = sleep_gradient(dreams, causes)
    slope_b, slope_w, slope_c = wake_gradient(x, recognise(x))
    pairs = zip((b, w, c, v, a), (slope_b, slope_w, slope_c, slope_v, slope_a), strict=True)
    return tuple(torch.from_numpy(p.numpy() + rate * s.numpy()).to(p.dtype) for p, s in pairs)


def divergences(log_joint, log_q):
    joint, q = np.exp(log_joint.double().numpy()), np.exp(log_q.double().numpy())
    p_x = joint.sum(axis=1, keepdims=True)
    exclusive = (p_x * special.rel_entr(q, joint / p_x)).sum()
    inclusive = (p_x * special.rel_entr(joint / p_x, q)).sum()
    return tuple(torch.tensor(one, dtype=log_q.dtype) for one in (exclusive, inclusive))


def reweighted_loss(log_p, log_q):
    log_w = log_p.detach().numpy() - log_q.detach().numpy()
    weights = torch.from_numpy(special.softmax(log_w, axis=0))
    return -(weights * log_p).sum() / log_p.shape[1] - (weights * log_q).sum() / log_q.shape[1]
