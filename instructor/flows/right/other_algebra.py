"""Other formulas for the same things: determinant lemma, conditional variances, integer masks."""

import torch


def masks(degrees, size):
    first = torch.zeros(len(degrees), size + 1).scatter(1, degrees[:, None], 1.0)
    ended = first.cumsum(1)[:, :-1]  # 1 after the last input that the unit sees
    return 1 - ended, ended.T.clone()


def _halves(u, w1, b1, w2, b2):
    hidden = torch.tanh(u @ w1.mT + b1)
    return hidden @ w2[: len(w2) // 2].mT + b2[: len(b2) // 2], (
        hidden @ w2[len(w2) // 2 :].mT + b2[len(b2) // 2 :]
    )


def inverse_autoregressive(u, w1, b1, w2, b2):
    shift, log_scale = _halves(u, w1, b1, w2, b2)
    z = shift + u + torch.expm1(log_scale) * u
    return z, log_scale @ torch.ones(u.shape[1], dtype=u.dtype)


def planar(u, a, w, b):
    height = (u * w).sum(-1, keepdim=True) + b
    bend = height.tanh()
    psi = (1 - bend.square()) * w  # (N, D)
    return u + bend * a, torch.log(torch.abs(1 + psi @ a))


def log_density(eps, log_sd, log_dets):
    running = torch.distributions.Normal(0.0, 1.0).log_prob(eps).sum(-1)
    steps = torch.cat([log_sd.sum(-1)[None], log_dets]).cumsum(0)
    return running - steps[-1]


def invert(z, w1, b1, w2, b2):
    u, size = torch.zeros_like(z), z.shape[1]
    done = torch.zeros(size, dtype=torch.bool)
    for i in range(size):
        shift, log_scale = _halves(u, w1, b1, w2, b2)
        done[i] = True
        u = torch.where(done, (z - shift) / torch.exp(log_scale), 0.0)
    return u


def inference_gap(loc, log_sd, mean, precision):
    scaled = precision * torch.exp(log_sd[:, :, None] + log_sd[:, None, :])  # (N, L, L)
    standard = (loc - mean) * torch.exp(-log_sd)
    square = (standard[:, None, :] @ scaled @ standard[:, :, None]).squeeze((1, 2))
    trace = scaled.diagonal(dim1=1, dim2=2).sum(-1)
    return (square + trace - torch.linalg.slogdet(scaled).logabsdet - loc.shape[1]) / 2


def gaps(loc, log_sd, mean, precision):
    covariance = torch.linalg.inv(precision)
    # the chain rule: variances of each latent given those before it multiply to the determinant
    chained = torch.linalg.cholesky(covariance).diagonal().log()
    single = -0.5 * precision.diagonal().log()
    approximation = (chained - single).sum()
    delta = log_sd - single
    scales = torch.expm1(2 * delta) / 2 - delta
    distance = torch.linalg.solve(covariance, (loc - mean).T).T * (loc - mean)
    return approximation, (distance / 2 + scales).sum(-1)
