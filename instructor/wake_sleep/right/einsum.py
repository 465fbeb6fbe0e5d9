"""Everything as einsum; log-sigmoids of signed activations."""

import torch
from torch.nn.functional import logsigmoid


def _signed(bits, activations):
    return logsigmoid((2 * bits - 1) * activations)


def log_joint(x, z, b, w, c):
    activations = torch.einsum("nh,hd->nd", z, w) + c
    return torch.einsum("nh->n", _signed(z, b)) + torch.einsum("nd->n", _signed(x, activations))


def dream(b, w, c, u_z, u_x):
    z = torch.heaviside(b.sigmoid() - u_z, torch.zeros_like(u_z))
    activations = torch.einsum("nh,hd->nd", z, w) + c
    return z, torch.heaviside(activations.sigmoid() - u_x, torch.zeros_like(u_x))


def wake_gradient(x, z, b, w, c):
    error = x - (torch.einsum("nh,hd->nd", z, w) + c).sigmoid()
    size = x.shape[0]
    slope_w = torch.einsum("nh,nd->hd", z, error) / size
    return z.mean(0) - b.sigmoid(), slope_w, torch.einsum("nd->d", error) / size


def sleep_gradient(x, z, v, a):
    error = z - (torch.einsum("nd,dh->nh", x, v) + a).sigmoid()
    return torch.einsum("nd,nh->dh", x, error).div(x.shape[0]), error.mean(dim=0)


def wake_sleep_step(x, b, w, c, v, a, rate, recognise, dream, wake_gradient, sleep_gradient):
    z = recognise(x)
    up = wake_gradient(x, z)
    z, fantasy = dream(z.shape[0])
    down = sleep_gradient(fantasy, z)
    return tuple(torch.add(p, s, alpha=rate) for p, s in zip((b, w, c, v, a), (*up, *down)))


def divergences(log_joint, log_q):
    joint, q = log_joint.exp(), log_q.exp()
    p_x = torch.einsum("xz->x", joint)
    log_posterior = log_joint - p_x.log()[:, None]
    exclusive = torch.einsum("x,xz,xz->", p_x, q, log_q - log_posterior)
    return exclusive, torch.einsum("xz,xz->", joint, log_posterior - log_q)


def reweighted_loss(log_p, log_q):
    with torch.no_grad():
        weights = (log_p - log_q - torch.logsumexp(log_p - log_q, 0)).exp()
    return -torch.einsum("kn,kn->n", weights, log_p + log_q).mean()
