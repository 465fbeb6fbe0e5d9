"""Multivariate distributions, rsample's transforms and kl_divergence from torch."""

import torch
from torch.distributions import (
    AffineTransform,
    Independent,
    MultivariateNormal,
    Normal,
    TransformedDistribution,
    kl_divergence,
)


def _isotropic(mean, scale):
    return Independent(Normal(mean, scale), 1)


def _prior(like):
    return _isotropic(torch.zeros_like(like), torch.ones_like(like))


def elbo_terms(z, a, y, noise, loc, scale):
    q = TransformedDistribution(_prior(loc), AffineTransform(loc, scale, event_dim=1))
    return _isotropic(z @ a.T, noise).log_prob(y), _prior(z).log_prob(z), q.log_prob(z)


def closed_form(a, y, noise, loc, scale):
    q = _isotropic(loc, scale)
    expected = _isotropic(a @ loc, noise).log_prob(y)
    covariance = a @ torch.diag(scale**2) @ a.T
    return expected - covariance.trace() / (2 * noise**2), kl_divergence(q, _prior(loc))


def draw_diagonal(eps, loc, log_scale):
    return AffineTransform(loc, log_scale.exp(), event_dim=1)(eps)


def elbo_diagonal(eps, loc, log_scale, a, y, noise):
    q = _isotropic(loc, log_scale.exp())
    z = AffineTransform(loc, log_scale.exp())(eps)
    return _isotropic(z @ a.T, noise).log_prob(y).mean(0) - kl_divergence(q, _prior(loc))


def draw_full(eps, loc, raw):
    root = torch.tril(raw, -1) + torch.diag_embed(torch.exp(torch.diagonal(raw)))
    z = loc + torch.einsum("ij,sj->si", root, eps)
    return z, MultivariateNormal(loc, scale_tril=root).log_prob(z)


def elbo_full(eps, loc, raw, a, y, noise):
    root = torch.tril(raw, -1) + torch.diag_embed(torch.exp(torch.diagonal(raw)))
    q = MultivariateNormal(loc, scale_tril=root)
    prior = MultivariateNormal(torch.zeros_like(loc), torch.eye(len(loc), dtype=loc.dtype))
    z = loc + eps @ root.T
    return _isotropic(z @ a.T, noise).log_prob(y).mean() - kl_divergence(q, prior)


def best_diagonal(a, y, noise):
    eye = torch.eye(a.shape[1], dtype=a.dtype)
    posterior_precision = eye + a.T @ a / noise**2
    mean = torch.cholesky_solve(
        (a.T @ y / noise**2)[:, None], torch.linalg.cholesky(posterior_precision)
    )
    loc = mean.squeeze(1)
    scale = posterior_precision.diagonal() ** -0.5
    q = MultivariateNormal(loc, torch.diag(scale**2))
    posterior = MultivariateNormal(loc, precision_matrix=posterior_precision)
    return loc, scale, kl_divergence(q, posterior)
