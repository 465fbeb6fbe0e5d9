"""The evidence of a linear Gaussian state space model, by the Kalman filter in matrix form."""

import torch
from torch.distributions import MultivariateNormal


def log_evidence(model, x, seen):
    """Log p(x) of each row, nats, for a deep Markov model with linear parts.

    Args:
        model: with `LinearTransition` and `LinearEmission`.
        x: shape (rows, T, D).
        seen: shape (rows, T).
    """
    a, b = model.transition.linear.weight, model.transition.linear.bias
    c, d = model.emission.linear.weight, model.emission.linear.bias
    moved = (2 * model.transition.log_scale).exp().diag()
    noise = (2 * model.emission.log_scale).exp().diag()
    totals = []
    for row, there in zip(x, seen, strict=True):
        mean, cov = torch.zeros(len(a)), torch.eye(len(a))
        total = torch.zeros(())
        for t in range(int(there.sum())):
            if t:
                mean, cov = a @ mean + b, a @ cov @ a.mT + moved
            predicted = MultivariateNormal(c @ mean + d, c @ cov @ c.mT + noise)
            total = total + predicted.log_prob(row[t])
            gain = cov @ c.mT @ predicted.precision_matrix
            mean, cov = mean + gain @ (row[t] - predicted.mean), cov - gain @ c @ cov
        totals.append(total)
    return torch.stack(totals)
