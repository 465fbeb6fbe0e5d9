"""Jacobians and gaps by automatic differentiation and linear algebra."""

import torch
from torch.func import jacrev, vmap


def masks(degrees, size):
    visible = torch.ones(size, size).tril()  # row d - 1: the inputs that degree d sees
    first = visible[degrees - 1]
    return first, 1 - first.T


def _one_layer(u, w1, b1, w2, b2):
    shift, log_scale = (w2 @ torch.tanh(w1 @ u + b1) + b2).chunk(2)
    return shift + log_scale.exp() * u


def inverse_autoregressive(u, w1, b1, w2, b2):
    def layer(row):
        return _one_layer(row, w1, b1, w2, b2)

    dets = torch.linalg.slogdet(vmap(jacrev(layer))(u))
    return vmap(layer)(u), dets.logabsdet


def planar(u, a, w, b):
    def layer(row):
        return row + a * torch.tanh(w @ row + b)

    return vmap(layer)(u), torch.log(torch.linalg.det(vmap(jacrev(layer))(u)).abs())


def log_density(eps, log_sd, log_dets):
    size = torch.tensor(2 * torch.pi, dtype=eps.dtype).log() * eps.shape[1]
    everything = torch.cat([log_sd.T, log_dets], 0).sum(0)
    return -(0.5 * torch.linalg.vector_norm(eps, dim=1) ** 2 + 0.5 * size + everything)


def invert(z, w1, b1, w2, b2):
    """Newton's method; with a triangular Jacobian D steps are exact up to the last digits."""
    dtype = z.dtype
    z, w1, b1, w2, b2 = (t.double() for t in (z, w1, b1, w2, b2))

    def layer(row):
        return _one_layer(row, w1, b1, w2, b2)

    rows = []
    for row in z:
        u = torch.zeros_like(row)
        for i in range(len(row)):  # solve for one more coordinate at a time
            for _ in range(2):
                slopes = jacrev(layer)(u)
                u = u.clone()
                u[i] = u[i] + (row[i] - layer(u)[i]) / slopes[i, i]
        rows.append(u)
    return torch.stack(rows).to(dtype)


def inference_gap(loc, log_sd, mean, precision):
    root = torch.linalg.cholesky(precision)
    whitened = (loc - mean) @ root
    spread = log_sd.exp()[:, None, :] * root.T
    square = whitened.square().sum(-1) + spread.square().sum((-2, -1)) - loc.shape[1]
    return square / 2 - log_sd.sum(-1) - root.diagonal().log().sum()


def gaps(loc, log_sd, mean, precision):
    inverse_sd = precision.diagonal().sqrt()
    correlation = precision / torch.outer(inverse_sd, inverse_sd)
    approximation = -torch.linalg.cholesky(correlation).diagonal().log().sum()
    return approximation, inference_gap(loc, log_sd, mean, precision) - approximation
