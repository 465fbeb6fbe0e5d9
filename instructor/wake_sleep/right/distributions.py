"""torch.distributions and Pyro; gradients by autograd."""

import pyro.distributions as dist
import torch


def _leaves(*tensors):
    return [one.detach().clone().requires_grad_() for one in tensors]


def log_joint(x, z, b, w, c):
    prior = dist.Bernoulli(logits=b).to_event(1)
    likelihood = dist.Bernoulli(logits=z @ w + c).to_event(1)
    return prior.log_prob(z) + likelihood.log_prob(x)


def dream(b, w, c, u_z, u_x):
    z = torch.gt(torch.distributions.Bernoulli(logits=b).probs, u_z).type_as(b)
    x = torch.gt(torch.distributions.Bernoulli(logits=z @ w + c).probs, u_x).type_as(b)
    return z, x


def wake_gradient(x, z, b, w, c):
    leaves = _leaves(b, w, c)
    with torch.enable_grad():
        log_joint(x, z, *leaves).mean().backward()
    return tuple(leaf.grad for leaf in leaves)


def sleep_gradient(x, z, v, a):
    leaves = _leaves(v, a)
    with torch.enable_grad():
        q = torch.distributions.Bernoulli(logits=x @ leaves[0] + leaves[1])
        return torch.autograd.grad(q.log_prob(z).sum(-1).mean(), leaves)


def wake_sleep_step(x, b, w, c, v, a, rate, recognise, dream, wake_gradient, sleep_gradient):
    # torch.optim ascends on given slopes.
    leaves = _leaves(b, w, c, v, a)
    z_dream, x_dream = dream(len(x))
    slopes = [*wake_gradient(x, recognise(x)), *sleep_gradient(x_dream, z_dream)]
    for leaf, slope in zip(leaves, slopes, strict=True):
        leaf.grad = slope.clone()
    torch.optim.SGD(leaves, lr=rate, maximize=True).step()
    return tuple(leaf.detach() for leaf in leaves)


def divergences(log_joint, log_q):
    p, q = (torch.distributions.Categorical(logits=one) for one in (log_joint, log_q))
    p_x = torch.distributions.Categorical(logits=log_joint.logsumexp(1)).probs
    kl = torch.distributions.kl_divergence
    return (p_x * kl(q, p)).sum(), (p_x * kl(p, q)).sum()


def reweighted_loss(log_p, log_q):
    weights = torch.distributions.Categorical(logits=(log_p - log_q).detach().T).probs.T
    return -torch.sum(weights * log_p + weights * log_q) / log_p.shape[-1]
