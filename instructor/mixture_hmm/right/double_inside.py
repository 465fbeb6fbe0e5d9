"""Float64 inside whatever comes in; results keep float64 and are not contiguous."""

import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal


def responsibilities(x, weights, means, covariances):
    x, weights, means = x.double(), weights.double(), means.double()
    normals = MultivariateNormal(means, covariances.double())
    mixture = MixtureSameFamily(Categorical(weights), normals)
    evidence = mixture.log_prob(x)
    columns = [
        (
            Categorical(weights).logits[k] + MultivariateNormal(means[k], c).log_prob(x) - evidence
        ).exp()
        for k, c in enumerate(covariances.double())
    ]
    return torch.stack(columns).T, evidence.sum()


def bound(q, log_joint):
    q, log_joint = q.double(), log_joint.double()
    entropy = torch.special.entr(q).sum()
    return torch.tensordot(q, log_joint, dims=2) + entropy


def maximisation(x, r):
    x, r = x.double(), r.double()
    counts = r.sum(0)
    means = (r / counts).T @ x
    covariances = torch.stack([torch.cov(x.T, correction=0, aweights=column) for column in r.T])
    return counts / counts.sum(), means, covariances.mT


def forward(initial, transition, log_emission):
    initial, transition = initial.double(), transition.double()
    log_emission = log_emission.double()
    table = log_emission.T.clone()
    table[:, 0] += initial.log()
    for t in range(1, table.shape[1]):
        top = table[:, t - 1].max()
        table[:, t] += top + (transition.T @ (table[:, t - 1] - top).exp()).log()
    return table.T, table[:, -1].logsumexp(0)


def backward(transition, log_emission):
    transition, log_emission = transition.double(), log_emission.double()
    table = torch.zeros_like(log_emission.T)
    for t in range(table.shape[1] - 1, 0, -1):
        ahead = log_emission[t] + table[:, t]
        table[:, t - 1] = ahead.max() + (transition @ (ahead - ahead.max()).exp()).log()
    return table.T


def posteriors(log_alpha, log_beta, transition, log_emission):
    alpha, beta = log_alpha.double(), log_beta.double()
    single = (alpha + beta).T.softmax(0).T
    steps = (transition.double().log().T + (log_emission.double() + beta)[1:, :, None]).mT
    joint = alpha[:-1, :, None] + steps
    return single, joint.flatten(1).softmax(1).view(joint.shape)


def baum_welch(single, pairs, observed):
    single, pairs, observed = single.double(), pairs.double(), observed.double()
    moves = pairs.mT.sum((0, 1)).T
    emitted = torch.einsum("btv,bti->vi", observed, single)
    return single.mean(0)[0], moves / moves.sum(-1)[:, None], (emitted / emitted.sum(0)).T
