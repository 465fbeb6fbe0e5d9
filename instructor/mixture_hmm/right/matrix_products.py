"""Linear algebra in place of recursions: products of matrices in logs, weighted roots."""

import torch


def _product(left, right):
    """The matrix product of exp(left) and exp(right), in logs."""
    return torch.logsumexp(left[..., :, :, None] + right[..., None, :, :], dim=-2)


def responsibilities(x, weights, means, covariances):
    values, vectors = torch.linalg.eigh(covariances)
    turned = torch.einsum("kij,nki->nkj", vectors, x[:, None] - means)
    normals = torch.distributions.Normal(torch.zeros_like(values), values.sqrt())
    log_joint = normals.log_prob(turned).sum(-1) + weights.log()
    difference = log_joint[:, None, :] - log_joint[:, :, None]
    evidence = torch.logaddexp(log_joint[:, 0], log_joint[:, 1:].logsumexp(1))
    return 1 / difference.exp().sum(-1), evidence.sum()


def bound(q, log_joint):
    energy = torch.einsum("nk,nk->", q, log_joint)
    logs = q.log().nan_to_num(neginf=0.0)
    return energy - torch.einsum("nk,nk->", q, logs)


def maximisation(x, r):
    rows, features = x.shape
    table = torch.cat([torch.ones(rows, 1, dtype=x.dtype), x - x.mean(0)], dim=1)
    moments = torch.einsum("nk,ni,nj->kij", r, table, table)
    counts = moments[:, 0, 0]
    shift = moments[:, 0, 1:] / counts[:, None]
    second = moments[:, 1:, 1:] / counts.view(-1, 1, 1)
    return counts / rows, shift + x.mean(0), second - torch.einsum("ki,kj->kij", shift, shift)


def _scan(matrices):
    """All products M_1 ... M_t, by doubling."""
    step = 1
    while step < len(matrices):
        later = _product(matrices[:-step], matrices[step:])
        matrices = torch.cat([matrices[:step], later])
        step *= 2
    return matrices


def forward(initial, transition, log_emission):
    start = (initial.log() + log_emission[0])[None, :]
    steps = transition.log() + log_emission[1:, None, :]
    reached = torch.logsumexp(start[:, :, None] + _scan(steps), dim=1)
    log_alpha = torch.cat([start, reached])
    return log_alpha, log_alpha[-1].logsumexp(0)


def backward(transition, log_emission):
    steps = transition.log() + log_emission[1:, None, :]
    products = _scan(steps.flip(0).mT).mT
    return torch.cat([products.logsumexp(2).flip(0), torch.zeros_like(log_emission[:1])])


def posteriors(log_alpha, log_beta, transition, log_emission):
    filtered = log_alpha.softmax(1)
    single = [filtered[-1]]
    pairs = []
    for now in filtered[:-1].flip(0):
        joint = now[:, None] * transition
        conditional = joint / joint.sum(0)
        pairs.append(conditional * single[-1])
        single.append(pairs[-1].sum(1))
    return torch.stack(single[::-1]), torch.stack(pairs[::-1])


def baum_welch(single, pairs, observed):
    weights = single.reshape(-1, single.shape[-1])
    symbols = observed.reshape(-1, observed.shape[-1])
    emission = torch.linalg.solve(torch.diag(weights.sum(0)), weights.T @ symbols)
    moves = pairs.mean((0, 1))
    transition = torch.diag(1 / moves.sum(1)) @ moves
    return torch.einsum("bi->i", single[:, 0]) / len(single), transition, emission
