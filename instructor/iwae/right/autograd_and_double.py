"""Float64 inside, torch.func over rows, hooks and custom gradients."""

import math

import torch
from torch.func import vmap


def _log_joint(z, x, slope, noise):
    residual = (x - slope @ z) / noise
    constant = (len(x) + len(z)) * math.log(2 * math.pi) + 2 * len(x) * noise.log()
    return -0.5 * (residual @ residual + z @ z + constant)


def _log_guide(z, loc, log_sd):
    standard = (z - loc) / log_sd.exp()
    return -0.5 * (standard @ standard + len(z) * math.log(2 * math.pi)) - log_sd.sum()


def log_weights(eps, x, loc, log_sd, slope, noise):
    kind = eps.dtype
    eps, x, loc, log_sd, slope, noise = (t.double() for t in (eps, x, loc, log_sd, slope, noise))

    def one(e, row, m, r):
        z = m + r.exp() * e
        return z, _log_joint(z, row, slope, noise) - _log_guide(z, m, r)

    over_rows = vmap(one, in_dims=(0, 0, 0, 0))
    z, log_w = vmap(over_rows, in_dims=(0, None, None, None))(eps, x, loc, log_sd)
    return z.to(kind), log_w.to(kind)


def iwae_bound(log_w):
    double = log_w.double()
    return (torch.logcumsumexp(double, 0)[-1] - math.log(log_w.size(0))).to(log_w.dtype)


def dreg_loss(eps, x, loc, log_sd, slope, noise):
    z = loc + log_sd.exp() * eps
    log_p = -0.5 * ((x - z @ slope.T) ** 2).sum(-1) / noise**2 - 0.5 * (z**2).sum(-1)
    held = -0.5 * (((z - loc.detach()) / log_sd.detach().exp()) ** 2).sum(-1)
    log_w = log_p - held
    # the gradient of logsumexp has the weights once; the hook on z gives them once more
    share = torch.softmax(log_w.detach(), 0)
    z.register_hook(lambda gradient: gradient * share[..., None])
    return -torch.logsumexp(log_w, 0).sum()


def self_normalised(log_w, values):
    share = torch.nn.functional.softmax(log_w.double(), dim=0)
    estimate = torch.tensordot(share, values.double(), dims=([0], [0])).diagonal()
    return estimate.to(log_w.dtype), share.square().sum(0).reciprocal().to(log_w.dtype)


def tail_excess(log_w):
    double = log_w.double()
    w = (double - double.max()).exp()
    count = math.ceil(min(len(w) / 5, 3 * math.sqrt(len(w))))
    ordered, _ = torch.sort(-w)
    return (ordered[count] - ordered[:count]).flip(0).to(log_w.dtype)


def k_hat(excess):
    e = excess.double()
    count = len(e)
    tried = 30 + math.floor(math.sqrt(count))
    j = torch.arange(1, tried + 1).double()
    theta = 1 / e.max() + (1 - (tried / (j - 0.5)).sqrt()) / (3 * e[int(count / 4 + 0.5) - 1])
    shape = vmap(lambda t: torch.log1p(-t * e).mean())(theta)
    # exp of the profile likelihood, rescaled: (-theta / k)^M exp(-M k)
    relative = ((-theta / shape).log() - shape) * count
    weights = (relative - relative.max()).exp()
    final = torch.log1p(-torch.dot(weights, theta) / weights.sum() * e).mean()
    return ((count * final + 5) / (count + 10)).to(excess.dtype)


def _chain(z, eps, betas, x, slope, noise):
    kind = z.dtype
    z, eps, betas, x, slope, noise = (t.double() for t in (z, eps, betas, x, slope, noise))

    def energy(state):
        return -0.5 * (x - slope * state).square().sum() / noise**2

    def one(state, shocks):
        total = 0.0
        for t in range(len(betas) - 1):
            total = total + (betas[t + 1] - betas[t]).abs() * energy(state)
            if t < len(betas) - 2:
                precision = 1 + betas[t + 1] * slope.dot(slope) / noise**2
                mean = betas[t + 1] * slope.dot(x) / noise**2 / precision
                state = mean + 0.6 * (state - mean) + 0.8 * shocks[t] / precision.sqrt()
        return total

    constant = len(x) * (noise.log() + 0.5 * math.log(2 * math.pi))
    return (vmap(one)(z, eps.T) - constant).to(kind)


def ais_log_weights(z, eps, betas, x, slope, noise):
    return _chain(z, eps, betas, x, slope, noise)


def reverse_log_weights(z, eps, betas, x, slope, noise):
    return _chain(z, eps, betas.flip(0), x, slope, noise)


def sandwich(forward, reverse):
    both = [torch.logcumsumexp(each.double(), 0)[-1] for each in (forward, -reverse)]
    lower = both[0] - math.log(len(forward))
    upper = math.log(len(reverse)) - both[1]
    return lower.to(forward.dtype), upper.to(forward.dtype)
