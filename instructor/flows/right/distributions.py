"""torch.distributions throughout: transforms, densities, divergences."""

import torch
from torch.distributions import (
    AffineTransform,
    Independent,
    MultivariateNormal,
    Normal,
    kl_divergence,
)


def _network(u, w1, b1, w2, b2):
    hidden = torch.tanh(torch.nn.functional.linear(u, w1, b1))
    return torch.nn.functional.linear(hidden, w2, b2).tensor_split(2, dim=-1)


def masks(degrees, size):
    inputs = torch.arange(size)
    return torch.lt(inputs, degrees[:, None]).float(), torch.ge(inputs[:, None], degrees).float()


def inverse_autoregressive(u, w1, b1, w2, b2):
    shift, log_scale = _network(u, w1, b1, w2, b2)
    transform = AffineTransform(shift, log_scale.exp(), event_dim=1)
    z = transform(u)
    return z, transform.log_abs_det_jacobian(u, z)


def planar(u, a, w, b):
    inside = torch.nn.functional.linear(u, w[None], b[None])
    slope = torch.sigmoid(2 * inside) * torch.sigmoid(-2 * inside) * 4
    return u + inside.tanh() * a, (slope.squeeze(-1) * torch.dot(a, w)).log1p()


def log_density(eps, log_sd, log_dets):
    base = Independent(Normal(torch.zeros_like(eps), log_sd.exp()), 1)
    return base.log_prob(log_sd.exp() * eps) - log_dets.sum(0)


def invert(z, w1, b1, w2, b2):
    u = z
    for _ in range(z.shape[-1] + 2):
        shift, log_scale = _network(u, w1, b1, w2, b2)
        u = AffineTransform(shift, log_scale.exp()).inv(z)
    return u


def inference_gap(loc, log_sd, mean, precision):
    guide = MultivariateNormal(loc, scale_tril=torch.diag_embed(log_sd.exp()))
    return kl_divergence(guide, MultivariateNormal(mean, precision_matrix=precision))


def gaps(loc, log_sd, mean, precision):
    posterior = MultivariateNormal(torch.zeros_like(mean[0]), precision_matrix=precision)
    sd = precision.diagonal().rsqrt()
    best = MultivariateNormal(torch.zeros_like(sd), torch.diag(sd**2))
    approximation = kl_divergence(best, posterior)
    return approximation, inference_gap(loc, log_sd, mean, precision) - approximation
