"""Objects of torch.distributions."""

import torch
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal, kl_divergence


def _p(w, mu, sigma):
    return LowRankMultivariateNormal(mu, w, sigma.square() * torch.ones_like(mu))


def marginal(w, mu, sigma):
    p = _p(w, mu, sigma)
    return p.mean, p.covariance_matrix


def posterior(x, w, mu, sigma):
    precision = torch.eye(w.shape[1], dtype=w.dtype) + w.mT @ w * sigma**-2
    q = MultivariateNormal(torch.zeros(w.shape[1], dtype=w.dtype), precision_matrix=precision)
    return (q.covariance_matrix @ w.mT @ (x - mu).mT * sigma**-2).mT, q.covariance_matrix


def log_evidence(x, w, mu, sigma):
    x, w, mu, sigma = x.double(), w.double(), mu.double(), sigma.double()
    mean, covariance = posterior(x, w, mu, sigma)
    k = w.shape[1]
    prior = MultivariateNormal(torch.zeros(k, dtype=w.dtype), torch.eye(k, dtype=w.dtype))
    kl = kl_divergence(MultivariateNormal(mean, covariance), prior)
    fit = torch.distributions.Normal(mean @ w.mT + mu, sigma).log_prob(x).sum(-1)
    return fit - 0.5 * (w @ covariance @ w.mT).trace() / sigma**2 - kl


def maximum_likelihood(x, latent):
    mu = x.mean(0, keepdim=True)
    u, s, v = torch.pca_lowrank(x.double() - mu.double(), q=x.shape[1], center=False, niter=8)
    values = s.square() / len(x)
    noise = values[latent:].mean()
    return v[:, :latent] * (values[:latent] - noise).sqrt(), mu.squeeze(0), noise.sqrt()


def em_step(x, w, mu, sigma):
    mean, covariance = posterior(x, w, mu, sigma)
    second = covariance.expand(len(x), -1, -1) + mean[:, :, None] * mean[:, None, :]
    new = torch.linalg.solve(second.sum(0), (mean[:, :, None] * (x - mu)[:, None, :]).sum(0)).mT
    residual = (x - mu - mean @ new.mT).square().sum() + len(x) * (new @ covariance * new).sum()
    return new, (residual / x.numel()).sqrt()
