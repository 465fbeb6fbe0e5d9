"""Everything in numpy, in float64; the results are made tensors of the inputs' type."""

import numpy as np
import torch


def _np(*tensors):
    return [tensor.detach().double().numpy() for tensor in tensors]


def _back(like, *arrays):
    tensors = tuple(torch.tensor(np.asarray(array), dtype=like.dtype) for array in arrays)
    return tensors if len(tensors) > 1 else tensors[0]


def _lse(array, axis):
    return np.logaddexp.reduce(array, axis=axis)


def responsibilities(x, weights, means, covariances):
    rows, pi, mu, sigma = _np(x, weights, means, covariances)
    off = rows[:, None, :] - mu[None]
    square = np.einsum("nki,kij,nkj->nk", off, np.linalg.inv(sigma), off)
    log_det = np.linalg.slogdet(sigma)[1]
    log_joint = np.log(pi) - 0.5 * (square + log_det + rows.shape[1] * np.log(2 * np.pi))
    evidence = _lse(log_joint, 1)
    return _back(x, np.exp(log_joint - evidence[:, None]), evidence.sum())


def bound(q, log_joint):
    weights, joint = _np(q, log_joint)
    inside = weights > 0
    return _back(q, np.sum(weights[inside] * (joint[inside] - np.log(weights[inside]))))


def maximisation(x, r):
    rows, weights = _np(x, r)
    means = np.stack([np.average(rows, axis=0, weights=column) for column in weights.T])
    off = rows[:, None, :] - means
    covariances = np.einsum("nk,nki,nkj->kij", weights / weights.sum(0), off, off)
    return _back(x, weights.mean(0), means, covariances)


def forward(initial, transition, log_emission):
    start, matrix, emission = _np(initial, transition, log_emission)
    alpha = np.empty_like(emission)
    alpha[0] = np.log(start) + emission[0]
    for t in range(1, len(emission)):
        alpha[t] = emission[t] + _lse(alpha[t - 1][:, None] + np.log(matrix), 0)
    return _back(initial, alpha, _lse(alpha[-1], 0))


def backward(transition, log_emission):
    matrix, emission = _np(transition, log_emission)
    beta = np.zeros_like(emission)
    for t in reversed(range(len(emission) - 1)):
        beta[t] = _lse(np.log(matrix) + emission[t + 1] + beta[t + 1], 1)
    return _back(transition, beta)


def posteriors(log_alpha, log_beta, transition, log_emission):
    alpha, beta, matrix, emission = _np(log_alpha, log_beta, transition, log_emission)
    single = np.exp(alpha + beta - _lse(alpha[-1], 0))
    future = np.exp(emission[1:] + beta[1:] - _lse(alpha[-1], 0))
    pairs = np.exp(alpha[:-1])[:, :, None] * matrix * future[:, None, :]
    return _back(transition, single, pairs)


def baum_welch(single, pairs, observed):
    gamma, xi, symbols = _np(single, pairs, observed)
    moves, emitted = xi.sum((0, 1)), np.tensordot(gamma, symbols, axes=([0, 1], [0, 1]))
    visits = gamma.sum((0, 1))
    transition = moves / moves.sum(1)[:, None]
    return _back(single, gamma[:, 0].sum(0) / len(gamma), transition, emitted / visits[:, None])
