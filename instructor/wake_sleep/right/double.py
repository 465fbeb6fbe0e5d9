"""float64 inside, rows in reverse order, tables in place of formulas."""

import torch


def _wide(*tensors):
    return [one.double() for one in tensors]


def _log_prob(bits, activations):
    both = torch.log_softmax(torch.stack([torch.zeros_like(activations), activations]), 0)
    return torch.where(bits > 0.5, both[1], both[0]).sum(-1)


def log_joint(x, z, b, w, c):
    kind = b.dtype
    x, z, b, w, c = _wide(x.flip(0), z.flip(0), b, w, c)
    out = _log_prob(z, b.expand_as(z)) + _log_prob(x, z @ w + c)
    return out.flip(0).to(kind)


def dream(b, w, c, u_z, u_x):
    kind = b.dtype
    b, w, c, u_z, u_x = _wide(b, w, c, u_z, u_x)
    z = (u_z * (1 + torch.exp(-b)) < 1).double()
    x = (u_x * (1 + torch.exp(-(z @ w) - c)) < 1).double()
    return z.to(kind), x.to(kind)


def wake_gradient(x, z, b, w, c):
    kind = b.dtype
    x, z, b, w, c = _wide(x, z, b, w, c)
    # Positive phase minus negative phase.
    p = 0.5 + 0.5 * torch.tanh((z @ w + c) / 2)
    size = len(x)
    slope_w = z.mT @ x / size - z.mT @ p / size
    slopes = z.mean(0) - 1 / (1 + torch.exp(-b)), slope_w, x.mean(0) - p.mean(0)
    return tuple(one.to(kind) for one in slopes)


def sleep_gradient(x, z, v, a):
    kind = v.dtype
    x, z, v, a = _wide(x, z, v, a)
    p = 0.5 + 0.5 * torch.tanh((x @ v + a) / 2)
    return (x.mT @ z - x.mT @ p).div(len(x)).to(kind), (z.mean(0) - p.mean(0)).to(kind)


def wake_sleep_step(x, b, w, c, v, a, rate, recognise, dream, wake_gradient, sleep_gradient):
    kind = b.dtype
    slopes = list(wake_gradient(x, recognise(x)))
    z_dream, x_dream = dream(x.size(0))
    slopes += sleep_gradient(x_dream, z_dream)
    old = _wide(b, w, c, v, a)
    return tuple((p - (-rate) * s.double()).to(kind) for p, s in zip(old, slopes))


def divergences(log_joint, log_q):
    kind = log_q.dtype
    joint, q = _wide(log_joint.flip(0), log_q.flip(0))
    joint, q = joint.exp(), q.exp()
    p_x = joint.sum(1, keepdim=True)
    posterior = joint / p_x
    ratio = torch.log(q / posterior)
    return (p_x * q * ratio).sum().to(kind), -(p_x * posterior * ratio).sum().to(kind)


def reweighted_loss(log_p, log_q):
    log_w = (log_p.double() - log_q.double()).detach()
    # One over the sum of the ratios of all weights to one's own.
    weights = 1 / (log_w.unsqueeze(0) - log_w.unsqueeze(1)).exp().sum(1)
    return (-(weights * (log_p + log_q)).sum() / log_p.size(1)).to(log_p.dtype)
