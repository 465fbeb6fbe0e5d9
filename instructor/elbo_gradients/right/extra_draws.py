"""Random numbers that are drawn and not used, noise in mirrored order, work done in place."""

import torch
from torch.distributions import Normal


def elbo_terms(z, a, y, noise, loc, scale):
    torch.randn(7)
    flipped = z.flip(0)
    likelihood = Normal(torch.mm(flipped, a.t()), noise).log_prob(y).sum(1).flip(0)
    prior = Normal(0.0, 1.0).log_prob(flipped).sum(1).flip(0)
    q = Normal(loc, scale).log_prob(flipped).sum(1).flip(0)
    return likelihood, prior, q


def closed_form(a, y, noise, loc, scale):
    torch.rand(3)
    r = (y - a @ loc) / noise
    expected = -(r.square() + (2 * torch.pi * noise.square()).log()).sum() / 2
    expected -= torch.trace(a.T @ a @ torch.diag(scale.square())) / (2 * noise.square())
    variance = scale.square()
    kl = -(1 + variance.log() - loc.square() - variance).sum() / 2
    return expected, kl


def draw_diagonal(eps, loc, log_scale):
    torch.randn_like(eps)
    return loc.expand_as(eps) + eps * torch.pow(torch.e, log_scale)


def elbo_diagonal(eps, loc, log_scale, a, y, noise):
    """The mirrored noise has the same mean."""
    z = loc - log_scale.exp() * eps
    log_joint = Normal(z @ a.T, noise).log_prob(y).sum(1) + Normal(0.0, 1.0).log_prob(z).sum(1)
    return log_joint.mean() - Normal(loc, log_scale.exp()).log_prob(z).sum(1).mean()


def draw_full(eps, loc, raw):
    torch.randn_like(raw)
    lower = raw.clone().tril()
    index = torch.arange(len(loc))
    lower[index, index] = raw[index, index].exp()
    size = len(loc) * torch.log(torch.tensor(2 * torch.pi))
    log_det = torch.linalg.slogdet(lower).logabsdet
    return loc + eps @ lower.T, -0.5 * (eps.square().sum(1) + size) - log_det


def elbo_full(eps, loc, raw, a, y, noise):
    """Both the noise and its mirror: the mean over the two is exact as well."""
    z, log_q = draw_full(torch.cat([eps, -eps]), loc, raw)
    log_joint = Normal(z @ a.T, noise).log_prob(y).sum(1) + Normal(0.0, 1.0).log_prob(z).sum(1)
    return (log_joint - log_q).mean()


def best_diagonal(a, y, noise):
    """One pass of updates for each pair of coordinates, repeated until nothing changes."""
    precision = torch.eye(a.shape[1], dtype=a.dtype) + a.T @ a / noise**2
    pull, loc = a.T @ y / noise**2, torch.zeros(a.shape[1], dtype=a.dtype)
    for _ in range(2000):
        for i in range(len(loc)):
            others = precision[i] @ loc - precision[i, i] * loc[i]
            loc[i] = (pull[i] - others) / precision[i, i]
    eigenvalues = torch.linalg.eigvalsh(precision)
    scale = precision.diagonal().pow(-0.5)
    return loc, scale, 0.5 * (precision.diagonal().log().sum() - eigenvalues.log().sum())
