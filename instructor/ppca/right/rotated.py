"""Another W with the same likelihood, and results from covariances of joint vectors."""

import torch


def marginal(w, mu, sigma):
    joint = torch.cat([w, sigma * torch.eye(len(w), dtype=w.dtype)], 1)
    return mu + 0.0, joint @ joint.T


def posterior(x, w, mu, sigma):
    joint = torch.cat(
        [
            torch.cat([torch.eye(w.shape[1], dtype=w.dtype), w.T], 1),
            torch.cat([w, marginal(w, mu, sigma)[1]], 1),
        ]
    )
    precision = torch.linalg.inv(joint)
    k = w.shape[1]
    covariance = torch.linalg.inv(precision[:k, :k])
    return -(x - mu) @ precision[k:, :k] @ covariance, covariance


def log_evidence(x, w, mu, sigma):
    _, singular, v = torch.linalg.svd(w.double().T, full_matrices=True)
    variance = sigma.double() ** 2 * torch.ones(len(w), dtype=torch.float64)
    variance[: len(singular)] += singular**2
    return (
        torch.distributions.Normal(0.0, variance.sqrt())
        .log_prob((x - mu).double() @ v.T)
        .sum(1)
        .to(x.dtype)
    )


def maximum_likelihood(x, latent):
    mu = x.mean(0)
    _, singular, v = torch.linalg.svd(x - mu, full_matrices=False)
    noise = (singular[latent:] ** 2).sum() / (len(x) * (x.shape[1] - latent))
    w = v[:latent].T * (singular[:latent] ** 2 / len(x) - noise).sqrt()
    turn = torch.linalg.qr(torch.randn(latent, latent, dtype=x.dtype))[0]
    return w @ turn, mu, noise.sqrt()


def em_step(x, w, mu, sigma):
    mean, covariance = posterior(x, w, mu, sigma)
    factor = torch.linalg.cholesky(covariance) * len(x) ** 0.5
    rows = torch.cat([mean, factor.T])
    targets = torch.cat([x - mu, torch.zeros(len(factor), x.shape[1], dtype=x.dtype)])
    new = torch.linalg.lstsq(rows, targets).solution
    return new.T, ((targets - rows @ new).square().sum() / x.numel()).sqrt()
