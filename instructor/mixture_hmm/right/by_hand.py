"""Densities, recursions and counts written out with loops over rows, states and times."""

import math

import torch


def responsibilities(x, weights, means, covariances):
    table = torch.zeros(len(x), len(weights), dtype=x.dtype)
    for n, row in enumerate(x):
        for k in range(len(weights)):
            off = row - means[k]
            square = off @ torch.inverse(covariances[k]) @ off
            size = len(row) * math.log(2 * math.pi) + torch.logdet(covariances[k])
            table[n, k] = torch.log(weights[k]) - 0.5 * (square + size)
    total, answer = 0.0, torch.zeros_like(table)
    for n, row in enumerate(table):
        top = row.max()
        mass = (row - top).exp()
        answer[n] = mass / mass.sum()
        total = total + top + mass.sum().log()
    return answer, total


def bound(q, log_joint):
    total = torch.zeros((), dtype=q.dtype)
    for weights, joints in zip(q, log_joint, strict=True):
        for weight, joint in zip(weights, joints, strict=True):
            if weight > 0:
                total = total + weight * (joint - weight.log())
    return total


def maximisation(x, r):
    weights, means, covariances = [], [], []
    for k in range(r.shape[1]):
        count = sum(r[n, k] for n in range(len(x)))
        mean = sum(r[n, k] * x[n] for n in range(len(x))) / count
        scatter = sum(r[n, k] * torch.outer(x[n] - mean, x[n] - mean) for n in range(len(x)))
        weights.append(count / len(x))
        means.append(mean)
        covariances.append(scatter / count)
    return torch.stack(weights), torch.stack(means), torch.stack(covariances)


def forward(initial, transition, log_emission):
    times, states = log_emission.shape
    log_alpha = torch.empty_like(log_emission)
    log_transition = torch.log(transition)
    for j in range(states):
        log_alpha[0, j] = torch.log(initial[j]) + log_emission[0, j]
    for t in range(1, times):
        for j in range(states):
            terms = log_alpha[t - 1] + log_transition[:, j]
            log_alpha[t, j] = log_emission[t, j] + terms.logsumexp(0)
    return log_alpha, log_alpha[-1].logsumexp(0)


def backward(transition, log_emission):
    times, states = log_emission.shape
    log_beta = torch.zeros_like(log_emission)
    log_transition = torch.log(transition)
    for t in range(times - 2, -1, -1):
        for i in range(states):
            terms = log_transition[i] + log_emission[t + 1] + log_beta[t + 1]
            log_beta[t, i] = terms.logsumexp(0)
    return log_beta


def posteriors(log_alpha, log_beta, transition, log_emission):
    times, states = log_alpha.shape
    single = torch.empty_like(log_alpha)
    pairs = torch.empty(times - 1, states, states, dtype=log_alpha.dtype)
    for t in range(times):
        single[t] = torch.softmax(log_alpha[t] + log_beta[t], 0)
    for t in range(times - 1):
        for i in range(states):
            for j in range(states):
                future = log_emission[t + 1, j] + log_beta[t + 1, j]
                pairs[t, i, j] = log_alpha[t, i] + transition[i, j].log() + future
        pairs[t] = (pairs[t] - pairs[t].max()).exp()
        pairs[t] = pairs[t] / pairs[t].sum()
    return single, pairs


def baum_welch(single, pairs, observed):
    sequences, times, states = single.shape
    transition = torch.zeros(states, states, dtype=single.dtype)
    emission = torch.zeros(states, observed.shape[2], dtype=single.dtype)
    for b in range(sequences):
        for t in range(times):
            emission += torch.outer(single[b, t], observed[b, t])
            if t < times - 1:
                transition += pairs[b, t]
    for i in range(states):
        transition[i] = transition[i] / transition[i].sum()
        emission[i] = emission[i] / emission[i].sum()
    return sum(single[b, 0] for b in range(sequences)) / sequences, transition, emission
