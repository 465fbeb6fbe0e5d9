"""Exact means over K draws of one row: sums over tuples of states, or quadrature."""

from functools import partial

import numpy as np
import torch
from network_of_causes import PIXELS
from torch.nn.functional import logsigmoid

from zoo.isolation import isolated
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.exact_sums import states
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.traces import log_mean_exp

BITS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
REALS = torch.tensor([[1.0, -0.5, 2.0], [0.3, 0.1, -1.0]])
NODES = 16


def two_causes():
    """Four states in all: sums over four draws have 256 terms a row."""
    with isolated(seed=1):
        return BernoulliLatent(PIXELS, (8,), 2)


def one_factor():
    with isolated(seed=1):
        return ProbabilisticPCA(PIXELS, 1)


def of_states(program, x):
    """log p(x, z), log q(z | x) and the chance of each state: (rows, states)."""
    model = program.model
    z = states(model.latent).to(x)
    (logits,) = program.guide.encoder((x,))
    log_q = logsigmoid(logits) @ z.mT + logsigmoid(-logits) @ (1 - z).mT
    prior = (z * logsigmoid(model.prior_logits) + (1 - z) * logsigmoid(-model.prior_logits)).sum(
        -1
    )
    means = model.decode(z)
    likelihood = (x[:, None] * logsigmoid(means) + (1 - x[:, None]) * logsigmoid(-means)).sum(-1)
    return prior + likelihood, log_q, log_q.exp()


def of_nodes(program, x):
    """The same at the nodes of Gauss-Hermite quadrature, with its weights."""
    model, (output,) = program.model, program.guide.encoder((x,))
    m, s = program.guide._moments(output)
    t, weight = (torch.from_numpy(v).to(x) for v in np.polynomial.hermite_e.hermegauss(NODES))
    z = (m + s * t)[..., None]
    normal = torch.distributions.Normal
    log_p = normal(model.decode(z), model.log_scale.exp()).log_prob(x[:, None]).sum(-1)
    log_p = log_p + normal(0.0, 1.0).log_prob(z).sum(-1)
    return log_p, normal(m, s).log_prob(z[..., 0]), (weight / weight.sum()).expand(len(x), -1)


def mean_over(count, bound, parts):
    """E of bound(log p, log q) over `count` independent draws, summed over rows.

    `bound` takes two tensors of shape (count, ...) and gives one of shape (...).
    """
    log_p, log_q, chance = parts
    index = torch.cartesian_prod(*[torch.arange(log_p.shape[1])] * count).reshape(-1, count).mT
    values = bound(*(value[:, index].movedim(1, 0) for value in (log_p, log_q)))
    return (chance[:, index].prod(1) * values).sum()


def of_weights(bound):
    """A bound as a function of log p - log q."""
    return lambda log_p, log_q: bound(log_p - log_q)


def iwae(count):
    return partial(mean_over, count, of_weights(log_mean_exp))


def ciwae(beta):
    return partial(
        mean_over, 2, of_weights(lambda w: beta * w.mean(0) + (1 - beta) * log_mean_exp(w))
    )


largest = partial(mean_over, 2, of_weights(lambda w: w.max(0).values))
elbo = partial(mean_over, 1, of_weights(lambda w: w.mean(0)))
