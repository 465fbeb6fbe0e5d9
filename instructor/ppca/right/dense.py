"""D x D matrices throughout."""

import torch
from torch.distributions import MultivariateNormal


def _covariance(w, sigma):
    return torch.addmm(torch.diag(sigma.square().repeat(len(w))), w, w.T)


def marginal(w, mu, sigma):
    return mu.clone(), _covariance(w, sigma)


def posterior(x, w, mu, sigma):
    gain = w.T @ torch.linalg.inv(_covariance(w, sigma))
    return (gain @ (x - mu).T).T, torch.eye(w.shape[1], dtype=w.dtype) - gain @ w


def log_evidence(x, w, mu, sigma):
    return (
        MultivariateNormal(mu.double(), _covariance(w.double(), sigma.double()))
        .log_prob(x.double())
        .to(x.dtype)
    )


def maximum_likelihood(x, latent):
    covariance = torch.cov(x.T, correction=0)
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0), vectors.flip(1)
    noise = (values.sum() - values[:latent].sum()) / (len(values) - latent)
    return (
        vectors[:, :latent] @ torch.diag((values[:latent] - noise) ** 0.5),
        x.mean(0),
        noise**0.5,
    )


def em_step(x, w, mu, sigma):
    centred = x - mu
    s = centred.T @ centred / len(x)
    m = w.T @ w + sigma**2 * torch.eye(w.shape[1], dtype=w.dtype)
    sw = s @ w
    new = sw @ torch.linalg.inv(
        sigma**2 * torch.eye(len(m), dtype=w.dtype) + torch.linalg.solve(m, w.T @ sw)
    )
    return new, ((s.trace() - (sw @ torch.linalg.solve(m, new.T)).trace()) / x.shape[1]).sqrt()
