"""Results as dictionaries, in another order; einsum and transposed work."""

import math

import torch


def masks(degrees, size):
    order = torch.arange(1, size + 1).double()
    first = torch.heaviside(degrees.double()[:, None] - order, torch.ones((), dtype=order.dtype))
    second = torch.heaviside(order[:, None] - degrees, torch.zeros((), dtype=order.dtype))
    return {"second": second, "first": first}


def _columns(u, w1, b1, w2, b2):
    hidden = (w1 @ u.T + b1[:, None]).tanh()
    out = w2 @ hidden + b2[:, None]
    return out[: u.shape[1]], out[u.shape[1] :]


def inverse_autoregressive(u, w1, b1, w2, b2):
    shift, log_scale = _columns(u, w1, b1, w2, b2)
    z = torch.addcmul(shift, log_scale.exp(), u.T)
    return {"log_det": torch.einsum("in->n", log_scale), "z": z.T}


def planar(u, a, w, b):
    inside = torch.einsum("nd,d->n", u, w) + b
    slope = torch.cosh(inside) ** -2
    z = torch.addr(u, torch.tanh(inside), a)
    return {"log_det": (1 + slope * torch.einsum("d,d->", a, w)).abs().log(), "z": z}


def log_density(eps, log_sd, log_dets):
    constant = -0.5 * eps.shape[1] * math.log(2 * math.pi)
    log_q = constant - 0.5 * torch.einsum("nd,nd->n", eps, eps)
    return {"log_q": log_q - torch.einsum("nd->n", log_sd) - torch.einsum("tn->n", log_dets)}


def invert(z, w1, b1, w2, b2):
    coordinates = []
    for i in range(z.shape[1]):
        known = torch.stack([*coordinates, *[z[:, 0] * 0] * (z.shape[1] - i)], 1)
        shift, log_scale = _columns(known, w1, b1, w2, b2)
        coordinates.append((z[:, i] - shift[i]) * torch.exp(-log_scale[i]))
    return {"u": torch.stack(coordinates, -1)}


def inference_gap(loc, log_sd, mean, precision):
    # second moments about the posterior's mean: variances and the outer product of the errors
    moments = torch.diag_embed(torch.exp(2 * log_sd))
    moments = moments + torch.einsum("ni,nj->nij", loc - mean, loc - mean)
    crossed = 0.5 * torch.einsum("nij,ij->n", moments, precision)
    log_determinants = torch.linalg.eigvalsh(precision).log().sum() / 2 + log_sd.sum(1)
    return {"gap": crossed - log_determinants - loc.shape[1] / 2}


def gaps(loc, log_sd, mean, precision):
    scale = precision.diagonal().rsqrt()
    eigenvalues = torch.linalg.eigvalsh(scale[:, None] * precision * scale)
    approximation = -0.5 * eigenvalues.log().sum()
    total = inference_gap(loc, log_sd, mean, precision)["gap"]
    return {"amortisation": total - approximation, "approximation": approximation}
