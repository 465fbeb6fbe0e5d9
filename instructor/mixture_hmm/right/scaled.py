"""Probabilities that are scaled at each step in place of logarithms; Cholesky factors."""

import math

import torch


def responsibilities(x, weights, means, covariances):
    roots = torch.linalg.cholesky(covariances)
    off = (x[:, None, :] - means).permute(1, 2, 0)
    white = torch.linalg.solve_triangular(roots, off, upper=False)
    log_det = 2 * roots.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    size = log_det + x.shape[1] * math.log(2 * math.pi)
    log_joint = weights.log()[:, None] - 0.5 * (white.square().sum(1) + size[:, None])
    top = log_joint.max(0).values
    mass = (log_joint - top).exp()
    return (mass / mass.sum(0)).T, (top + mass.sum(0).log()).sum()


def bound(q, log_joint):
    evidence = torch.logsumexp(log_joint, 1)
    posterior = log_joint.log_softmax(1)
    gap = torch.nn.functional.kl_div(posterior, q, reduction="sum")
    return (q.sum(1) * evidence).sum() - gap


def maximisation(x, r):
    shares = r / r.sum(0)
    means = shares.T @ x
    second = torch.einsum("nk,ni,nj->kij", shares, x, x)
    return r.mean(0), means, second - means[:, :, None] * means[:, None, :]


def forward(initial, transition, log_emission):
    tops = log_emission.max(1, keepdim=True).values
    likelihood = (log_emission - tops).exp()
    alpha, total, rows = initial * likelihood[0], tops[0].sum(), []
    for t in range(len(log_emission)):
        if t:
            alpha, total = (alpha @ transition) * likelihood[t], total + tops[t].sum()
        scale = alpha.sum()
        alpha, total = alpha / scale, total + scale.log()
        rows.append(alpha.log() + total)
    return torch.stack(rows), total


def backward(transition, log_emission):
    beta, total = torch.ones_like(log_emission[0]), torch.zeros_like(log_emission[0, 0])
    rows = [beta.log() + total]
    for t in range(len(log_emission) - 1, 0, -1):
        beta = transition @ (log_emission[t].exp() * beta)
        scale = beta.max()
        beta, total = beta / scale, total + scale.log()
        rows.insert(0, beta.log() + total)
    return torch.stack(rows)


def posteriors(log_alpha, log_beta, transition, log_emission):
    single = torch.softmax(log_alpha + log_beta, dim=1)
    filtered = torch.softmax(log_alpha, dim=1)
    future = (log_emission + log_beta)[1:]
    likelihood = (future - future.max(1, keepdim=True).values).exp()
    joint = filtered[:-1, :, None] * transition * likelihood[:, None, :]
    return single, joint / joint.sum((1, 2), keepdim=True)


def baum_welch(single, pairs, observed):
    stays = single[:, :-1].flatten(0, 1).sum(0)
    visits = single.flatten(0, 1).sum(0)
    moves = pairs.flatten(0, 1).sum(0)
    emitted = single.flatten(0, 1).T @ observed.flatten(0, 1)
    first = single[:, 0].sum(0)
    return first / first.sum(), moves / stays[:, None], emitted / visits[:, None]
