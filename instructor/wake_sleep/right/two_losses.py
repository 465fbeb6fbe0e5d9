"""Gradients by jacobians and functional transforms; the two updates of a loss apart."""

import torch
from torch.func import grad, vmap
from torch.nn.functional import softplus


def _row(x, z, b, w, c):
    a = torch.mv(w.T, z) + c
    return torch.dot(z, b) - softplus(b).sum() + torch.dot(x, a) - softplus(a).sum()


def log_joint(x, z, b, w, c):
    return torch.stack([_row(x[n], z[n], b, w, c) for n in range(len(x))])


def dream(b, w, c, u_z, u_x):
    # Activations against the logits of the uniform numbers.
    z = (torch.log(u_z / (1 - u_z)) < b).to(b.dtype)
    return z, (torch.log(u_x / (1 - u_x)) < torch.addmm(c, z, w)).to(b.dtype)


def wake_gradient(x, z, b, w, c):
    rows = vmap(grad(_row, argnums=(2, 3, 4)), in_dims=(0, 0, None, None, None))
    return tuple(one.mean(0) for one in rows(x, z, b, w, c))


def sleep_gradient(x, z, v, a):
    def loss(v, a):
        activations = x @ v + a
        return (z * activations - softplus(activations)).sum() / len(x)

    return grad(loss, argnums=(0, 1))(v, a)


def wake_sleep_step(x, b, w, c, v, a, rate, recognise, dream, wake_gradient, sleep_gradient):
    def wake():
        slopes = wake_gradient(x, recognise(x))
        return [p.clone().add_(s.to(p), alpha=rate) for p, s in zip((b, w, c), slopes)]

    def sleep():
        slopes = sleep_gradient(*reversed(dream(len(x))))
        return [p.clone().add_(s.to(p), alpha=rate) for p, s in zip((v, a), slopes)]

    return [*wake(), *sleep()]


def divergences(log_joint, log_q):
    from torch.nn.functional import kl_div

    log_posterior = log_joint.log_softmax(1)
    p_x = log_joint.exp().sum(1)
    q_p = kl_div(log_posterior, log_q, reduction="none", log_target=True).sum(1)
    p_q = kl_div(log_q, log_posterior, reduction="none", log_target=True).sum(1)
    return torch.dot(p_x, q_p), torch.dot(p_x, p_q)


def reweighted_loss(log_p, log_q):
    # The slope of log mean weight in log p is the normalised weight.
    generative = torch.logsumexp(log_p - log_q.detach(), 0).mean()
    weights = torch.softmax(log_p - log_q, 0).data
    return -generative - (weights * log_q).sum(0).mean()
