"""The bias of self-normalised weights: its exact value, and how it falls with the particles."""

import itertools

import pyro.distributions as dist
import torch
from cases import built, clock, flat, scatter
from network_of_causes import (
    ROWS,
    batch_gradients,
    causes,
    exact_gradient,
    parameters,
)
from test_estimators_wake_sleep import inclusive, weighted_pairs

from guides import AmortisedDiscrete
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.exact_sums import states
from zoo.objectives.forward_kl import ForwardKL
from zoo.objectives.rws import ReweightedWakeSleep
from zoo.traces import Assign


def small():
    return BernoulliLatent(3, (4,), 2)


def mean_gradient(particles, objective, x):
    """The exact mean of an objective's own gradient: all joint states of its draws, in turn."""
    torch.manual_seed(1)
    with built(small(), AmortisedDiscrete, objective, (x,)) as program:
        scatter(program.model, spread=2.0)
        limit = exact_gradient_of_small(program, x)
        (logits,) = program.guide.encoder((x,))
        log_q, total = dist.Bernoulli(logits=logits.detach()), torch.zeros_like(limit)
        for draws in itertools.product(states(2), repeat=particles):
            z = torch.stack(draws)[:, None]
            program.zero_grad(set_to_none=True)
            with Assign({"z": z if particles > 1 else z[0]}):
                program.backward(clock(), None, x)
            grads = flat(p.grad for p in parameters(program))
            total += log_q.log_prob(z).sum().exp() * grads
    return total, limit


def exact_gradient_of_small(program, x):
    z = states(2)
    (logits,) = program.guide.encoder((x,))
    log_q = dist.Bernoulli(logits=logits).log_prob(z).sum(-1)
    log_p = program.model._log_joint(x, z)[0]
    bound = (log_p.softmax(-1).detach() * log_q).sum() + log_p.logsumexp(-1)
    return flat(torch.autograd.grad(-bound, parameters(program)))


def test_the_bias_falls_as_one_over_the_number_of_particles():
    x = ROWS[:1]
    biases = {}
    for particles in (1, 2, 4):
        objective = ReweightedWakeSleep(particles, sleep=0.0)
        mean, limit = mean_gradient(particles, objective, x)
        biases[particles] = (mean - limit).norm() / limit.norm()
    assert biases[1] > 1
    assert biases[2] < 0.75 * biases[1]
    assert biases[4] < 0.6 * biases[2]


def test_with_many_particles_the_bias_is_gone():
    with built(causes(), AmortisedDiscrete, ForwardKL(500), (ROWS,)) as program:
        exact = exact_gradient(program, inclusive, ROWS)
        found = batch_gradients(program, ROWS, batches=20, copies=1)
        error = found.std(0).norm() / 20**0.5
    with built(causes(), AmortisedDiscrete, ForwardKL(2), (ROWS,)) as program:
        biased = exact_gradient(program, weighted_pairs, ROWS)
    assert (found.mean(0) - exact).norm() < 2 * error
    assert (biased - exact).norm() > 10 * error
