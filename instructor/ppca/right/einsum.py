"""Sums over indices by einsum."""

import math

import torch


def marginal(w, mu, sigma):
    return [mu, torch.einsum("ik,jk->ij", w, w) + torch.diag_embed(sigma.square().expand(len(w)))]


def posterior(x, w, mu, sigma):
    inner = torch.einsum("dk,dl->kl", w, w).div(sigma**2)
    inner.diagonal().add_(1)
    factor = torch.linalg.cholesky(inner)
    mean = torch.cholesky_solve(torch.einsum("nd,dk->kn", x - mu, w) / sigma**2, factor)
    return mean.mT, torch.cholesky_inverse(factor)


def log_evidence(x, w, mu, sigma):
    q = torch.distributions.LowRankMultivariateNormal(
        mu.double(), w.double(), sigma.double().square().expand(len(w))
    )
    return q.log_prob(x.double()).to(x.dtype)


def maximum_likelihood(x, latent):
    mu = torch.einsum("nd->d", x) / len(x)
    s = torch.einsum("nd,ne->de", x - mu, x - mu) / len(x)
    v, values, _ = torch.linalg.svd(s)
    noise = values[latent:].mean()
    return v[:, :latent] * torch.sqrt(values[:latent] - noise), mu, math.sqrt(noise)


def em_step(x, w, mu, sigma):
    mean, covariance = posterior(x, w, mu, sigma)
    second = covariance + torch.einsum("nk,nl->kl", mean, mean) / len(x)
    cross = torch.einsum("nd,nk->dk", x - mu, mean) / len(x)
    new = torch.linalg.solve(second, cross, left=False)
    variance = (x - mu).square().sum(1).mean() - torch.einsum("dk,dk->", new, cross)
    return new, (variance / x.shape[1]) ** 0.5
