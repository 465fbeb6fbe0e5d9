"""Posteriors as gradients of log p(x), and estimates as weighted least squares."""

import torch
from torch.func import grad


def responsibilities(x, weights, means, covariances):
    normals = torch.distributions.MultivariateNormal(means, covariances, validate_args=False)
    log_joint = normals.log_prob(x.unsqueeze(1)) + torch.log(weights)

    def evidence(joint):
        return torch.logsumexp(joint, 1).sum()

    return grad(evidence)(log_joint), evidence(log_joint)


def bound(q, log_joint):
    safe = torch.where(q > 0, q, torch.ones_like(q))
    return torch.sum(q * (log_joint - safe.log()))


def maximisation(x, r):
    means, covariances = [], []
    ones = torch.ones(len(x), 1, dtype=x.dtype)
    for column in r.unbind(1):
        root = column.sqrt()[:, None]
        mean = torch.linalg.lstsq(root * ones, root * x).solution[0]
        off = root * (x - mean)
        means.append(mean)
        covariances.append(off.T @ off / column.sum())
    return r.sum(0) / r.sum(), torch.stack(means), torch.stack(covariances)


def _log_likelihood(log_initial, log_steps, log_emission):
    alpha = log_initial + log_emission[0]
    for step, emission in zip(log_steps, log_emission[1:], strict=True):
        alpha = torch.logsumexp(alpha[:, None] + step, 0) + emission
    return torch.logsumexp(alpha, 0)


def forward(initial, transition, log_emission):
    log_transition, alpha, rows = transition.log(), None, []
    for emission in log_emission.unbind():
        if alpha is None:
            alpha = initial.log() + emission
        else:
            alpha = (alpha.unsqueeze(1) + log_transition).logsumexp(0) + emission
        rows = [*rows, alpha]
    return {"log_likelihood": alpha.logsumexp(0), "log_alpha": torch.vstack(rows)}


def backward(transition, log_emission):
    table = torch.zeros_like(log_emission)
    for t in range(len(table) - 2, -1, -1):
        table[t] = (transition.log() + (log_emission + table)[t + 1]).logsumexp(-1)
    return table


def posteriors(log_alpha, log_beta, transition, log_emission):
    steps = transition.log().expand(len(log_emission) - 1, -1, -1)
    start = log_alpha[0] - log_emission[0]
    pairs = grad(_log_likelihood, argnums=1)(start, steps, log_emission)
    single = grad(_log_likelihood, argnums=2)(start, steps, log_emission)
    return single, pairs


def baum_welch(single, pairs, observed):
    def normalised(table):
        return torch.nn.functional.normalize(table, p=1.0, dim=1)

    emitted = (single.mT @ observed).sum(0)
    return single.mean(0)[0], normalised(pairs.sum(0).sum(0)), normalised(emitted)
