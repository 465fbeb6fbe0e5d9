"""float64 inside, and in the result."""

import math

import torch


def marginal(w, mu, sigma):
    w, mu, sigma = w.double(), mu.double(), sigma.double()
    return mu, w.matmul(w.t()) + sigma * sigma * torch.eye(w.size(0), dtype=torch.float64)


def posterior(x, w, mu, sigma):
    x, w, mu, sigma = x.double(), w.double(), mu.double(), sigma.double()
    u, s, v = torch.linalg.svd(w, full_matrices=False)
    shrink = s / (s**2 + sigma**2)
    return (x - mu) @ u * shrink @ v, v.T @ torch.diag(sigma**2 / (s**2 + sigma**2)) @ v


def log_evidence(x, w, mu, sigma):
    x, w, mu, sigma = x.double(), w.double(), mu.double(), sigma.double()
    covariance = w @ w.T + sigma**2 * torch.eye(len(w), dtype=torch.float64)
    values, vectors = torch.linalg.eigh(covariance)
    squares = ((x - mu) @ vectors).square() / values
    return -0.5 * (squares + values.log() + math.log(2 * math.pi)).sum(1)


def maximum_likelihood(x, latent):
    x = x.double()
    values, vectors = torch.linalg.eig((x - x.mean(0)).T @ (x - x.mean(0)) / len(x))
    order = values.real.argsort(descending=True)
    values, vectors = values.real[order], vectors.real[:, order]
    noise = values[latent:].mean()
    return vectors[:, :latent] * (values[:latent] - noise).sqrt(), x.mean(0), noise.sqrt()


def em_step(x, w, mu, sigma):
    mean, covariance = posterior(x, w, mu, sigma)
    centred = x.double() - mu.double()
    sums = mean.T @ mean + len(x) * covariance
    new = centred.T @ mean @ torch.linalg.pinv(sums)
    residual = (centred - mean @ new.T).pow(2).sum() + len(x) * torch.trace(
        new @ covariance @ new.T
    )
    return new, (residual / centred.numel()).pow(0.5)
