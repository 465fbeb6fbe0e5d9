"""Biases as the weights of a bit that is always 1."""

import torch


def _with_one(bits):
    return torch.cat([bits, torch.ones_like(bits[:, :1])], 1)


def _stacked(weights, bias):
    return torch.cat([weights, bias.unsqueeze(0)])


def _log_prob(bits, activations):
    return -torch.nn.functional.binary_cross_entropy_with_logits(
        activations, bits, reduction="none"
    ).sum(-1)


def log_joint(x, z, b, w, c):
    one = torch.ones_like(z[:, :1])
    return _log_prob(z, one @ b[None]) + _log_prob(x, _with_one(z) @ _stacked(w, c))


def dream(b, w, c, u_z, u_x):
    p_z = torch.sigmoid(torch.ones_like(u_z[:, :1]) @ b[None])
    z = 1 - (u_z >= p_z).to(b.dtype)
    p_x = torch.sigmoid(_with_one(z) @ _stacked(w, c))
    return z, 1 - (u_x >= p_x).to(b.dtype)


def wake_gradient(x, z, b, w, c):
    inputs = _with_one(z)
    both = inputs.T @ (x - torch.sigmoid(inputs @ _stacked(w, c))) / len(x)
    return (z - torch.sigmoid(b)).sum(0) / len(z), both[:-1], both[-1]


def sleep_gradient(x, z, v, a):
    inputs = _with_one(x)
    both = inputs.T @ (z - torch.sigmoid(inputs @ _stacked(v, a))) / len(x)
    return both[:-1], both[-1]


def wake_sleep_step(x, b, w, c, v, a, rate, recognise, dream, wake_gradient, sleep_gradient):
    slopes = dict(zip("bwc", wake_gradient(x=x, z=recognise(x)), strict=True))
    z_dream, x_dream = dream(rows := len(x))
    assert len(x_dream) == rows
    slopes |= dict(zip("va", sleep_gradient(x=x_dream, z=z_dream), strict=True))
    old = {"b": b, "w": w, "c": c, "v": v, "a": a}
    return {name: old[name] + rate * slopes[name] for name in old}


def divergences(log_joint, log_q):
    # As expectations: log evidence minus ELBO, and the two entropies.
    log_x = log_joint.logsumexp(1)
    q = log_q.exp()
    elbo = (q * (log_joint - log_q)).sum(1)
    exclusive = (log_x.exp() * (log_x - elbo)).sum()
    joint = log_joint.exp()
    inclusive = (joint * log_joint).sum() - (joint * (log_x[:, None] + log_q)).sum()
    return exclusive, inclusive


def reweighted_loss(log_p, log_q):
    log_w = (log_p - log_q).detach()
    weights = (log_w - log_w.amax(0)).exp()
    weights = weights / weights.sum(0, keepdim=True)
    rows = -(weights * torch.stack([log_p, log_q])).sum((0, 1))
    return rows.mean()
