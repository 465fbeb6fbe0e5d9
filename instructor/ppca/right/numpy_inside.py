"""NumPy and SciPy inside."""

import numpy as np
import scipy.stats
import torch


def _back(array, like):
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.dtype)


def marginal(w, mu, sigma):
    a = w.numpy()
    return mu, _back(a @ a.T + np.diag(np.full(len(a), float(sigma) ** 2)), w)


def posterior(x, w, mu, sigma):
    a, v = w.double().numpy(), float(sigma) ** 2
    inner = a.T @ a + v * np.eye(a.shape[1])
    mean = np.linalg.solve(inner, a.T @ (x - mu).double().numpy().T).T
    return _back(mean, x), _back(v * np.linalg.inv(inner), x)


def log_evidence(x, w, mu, sigma):
    a = w.double().numpy()
    covariance = a @ a.T + float(sigma) ** 2 * np.eye(len(a))
    return _back(
        np.atleast_1d(
            scipy.stats.multivariate_normal.logpdf(
                x.double().numpy(), mu.double().numpy(), covariance
            )
        ),
        x,
    )


def maximum_likelihood(x, latent):
    rows = x.double().numpy()
    values, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    order = np.argsort(-values)
    noise = values[order[latent:]].mean()
    w = vectors[:, order[:latent]] * np.sqrt(values[order[:latent]] - noise)
    return _back(w, x), _back(rows.mean(0), x), float(np.sqrt(noise))


def em_step(x, w, mu, sigma):
    mean, covariance = (each.double().numpy() for each in posterior(x, w, mu, sigma))
    rows = (x - mu).double().numpy()
    second = len(rows) * covariance + mean.T @ mean
    new = np.linalg.solve(second, mean.T @ rows).T
    total = (rows**2).sum() - np.trace(new.T @ rows.T @ mean)
    return _back(new, x), torch.tensor(np.sqrt(total / rows.size), dtype=x.dtype)
