"""Loops over rows and entries in plain Python."""

import math

import torch


def marginal(w, mu, sigma):
    d, k = w.shape
    covariance = torch.zeros(d, d, dtype=w.dtype)
    for i in range(d):
        for j in range(d):
            covariance[i, j] = sum(w[i, a] * w[j, a] for a in range(k)) + (
                sigma**2 if i == j else 0
            )
    return {"covariance": covariance, "mean": mu}


def posterior(x, w, mu, sigma):
    precision = (
        torch.eye(w.shape[1], dtype=w.dtype) + sum(torch.outer(row, row) for row in w) / sigma**2
    )
    means = [torch.linalg.solve(precision, w.T @ (row - mu)) / sigma**2 for row in x]
    return torch.stack(means), torch.linalg.pinv(precision)


def log_evidence(x, w, mu, sigma):
    w, mu, sigma = w.double(), mu.double(), sigma.double()
    factor = torch.linalg.cholesky(w @ w.T + sigma**2 * torch.eye(len(w), dtype=w.dtype))
    found = []
    for row in x.double():
        white = torch.linalg.solve_triangular(factor, (row - mu)[:, None], upper=False)
        found.append(
            -0.5 * white.square().sum()
            - factor.diagonal().log().sum()
            - 0.5 * len(mu) * math.log(2 * math.pi)
        )
    return torch.stack(found).to(x.dtype)


def maximum_likelihood(x, latent):
    mu = sum(x) / len(x)
    _, singular, v = torch.linalg.svd(x - mu)
    values = singular**2 / len(x)
    noise = values[latent:].mean()
    columns = [v[i] * (values[i] - noise).sqrt() for i in range(latent)]
    return torch.stack(columns, 1), mu, noise.sqrt()


def em_step(x, w, mu, sigma):
    means, covariance = posterior(x, w, mu, sigma)
    second = sum(torch.outer(m, m) + covariance for m in means)
    cross = sum(torch.outer(row - mu, m) for row, m in zip(x, means))
    new = cross @ torch.linalg.inv(second)
    total = sum(
        (row - mu - new @ m).square().sum() + (new @ covariance @ new.T).trace()
        for row, m in zip(x, means)
    )
    return new, torch.sqrt(total / x.numel())
