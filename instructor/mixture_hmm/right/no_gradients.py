"""Vectors by vmap and sums by matrices, without gradients; results as dictionaries."""

import torch
from torch.distributions import Categorical
from torch.func import vmap


@torch.no_grad()
def responsibilities(x, weights, means, covariances):
    precision = torch.linalg.inv(covariances)

    def one(row, weight, mean, matrix):
        square = (row - mean) @ matrix @ (row - mean)
        return weight.log() + 0.5 * torch.logdet(matrix / (2 * torch.pi)) - 0.5 * square

    joint = vmap(vmap(one, (None, 0, 0, 0)), (0, None, None, None))(x, weights, means, precision)
    evidence = torch.logsumexp(joint.flip(1), 1)
    r = Categorical(logits=joint, validate_args=False).probs
    return {"log_likelihood": evidence.sum(), "responsibilities": r}


@torch.no_grad()
def bound(q, log_joint):
    rows = [
        (w[w > 0] * (j[w > 0] - w[w > 0].log())).sum() for w, j in zip(q, log_joint, strict=True)
    ]
    return {"bound": torch.stack(rows[::-1]).sum()}


@torch.no_grad()
def maximisation(x, r):
    order = torch.arange(len(x) - 1, -1, -1)
    x, r = x[order], r[order]
    counts, means = torch.zeros(r.shape[1]).to(x), torch.zeros(r.shape[1], x.shape[1]).to(x)
    scatter = torch.zeros(r.shape[1], x.shape[1], x.shape[1]).to(x)
    for row, weight in zip(x, r, strict=True):
        counts = counts + weight
        before = row - means
        means = means + (weight / counts)[:, None] * before
        scatter = scatter + weight[:, None, None] * before[:, :, None] * (row - means)[:, None, :]
    answer = {"means": means, "weights": counts / len(x)}
    return {**answer, "covariances": scatter / counts[:, None, None]}


@torch.no_grad()
def forward(initial, transition, log_emission):
    belief, total, rows = initial.clone(), torch.zeros(()).to(initial), []
    for emission in log_emission:
        posterior = torch.log(belief) + emission
        change = posterior.logsumexp(0)
        total = total + change
        rows.append(posterior - change + total)
        belief = (posterior - change).exp() @ transition
    return {"log_alpha": torch.stack(rows), "log_likelihood": total}


@torch.no_grad()
def backward(transition, log_emission):
    def step(later, ahead):
        return vmap(lambda row: torch.logsumexp(row.log() + ahead + later, 0))(transition)

    rows = [torch.zeros(len(transition)).to(transition)]
    for t in range(1, len(log_emission)):
        rows = [step(rows[0], log_emission[-t]), *rows]
    return {"log_beta": torch.stack(rows)}


@torch.no_grad()
def posteriors(log_alpha, log_beta, transition, log_emission):
    steps = transition.log() + (log_emission[1:] + log_beta[1:])[:, None, :]
    conditional = steps.softmax(2)
    single = [(log_alpha[0] + log_beta[0]).softmax(0)]
    for matrix in conditional:
        single.append(single[-1] @ matrix)
    single = torch.stack(single)
    return {"pairs": single[:-1, :, None] * conditional, "single": single}


@torch.no_grad()
def baum_welch(single, pairs, observed):
    shares = observed.unsqueeze(2) * single.unsqueeze(3)
    emitted, moves = shares.sum(1).sum(0), pairs.sum(1).sum(0)
    emission = (emitted.T / emitted.sum(1)).T
    transition = torch.exp(moves.log() - moves.sum(1, keepdim=True).log())
    return {"emission": emission, "transition": transition, "initial": single[:, 0].mean(0)}
