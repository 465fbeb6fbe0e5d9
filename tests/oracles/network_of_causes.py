"""A small network of binary causes, and a linear one: exact bounds, exact gradients, and draws.

A row stands `COPIES` times in the data, so one backward pass averages as many independent
draws; `BATCHES` such passes give the mean and its standard error, coordinate by coordinate.
"""

import pyro.distributions as dist
import torch
from cases import clock, flat, standard_error
from torch.distributions import kl_divergence
from torch.nn.functional import logsigmoid

from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.exact_sums import states
from zoo.models.linear.ppca import ProbabilisticPCA

K, PIXELS, HIDDEN = 8, 3, 8
COPIES, BATCHES = 400, 60
ROWS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


def causes():
    return BernoulliLatent(PIXELS, (HIDDEN,), K)


def parameters(program):
    """Of the model and the guide; an objective's own are not part of the bound."""
    return [*program.model.parameters(), *program.guide.parameters()]


def log_densities(program, x):
    """log p(x, z) and log q(z | x) of every state: (rows, 2^K) each, by their definitions."""
    model, z = program.model, states(K).to(x)
    (logits,) = program.guide.encoder((x,))
    prior = dist.Bernoulli(logits=model.prior_logits).log_prob(z).sum(-1)
    means = model.decoder(z)
    likelihood = (x[:, None] * logsigmoid(means) + (1 - x[:, None]) * logsigmoid(-means)).sum(-1)
    log_q = (logsigmoid(logits) @ z.mT) + logsigmoid(-logits) @ (1 - z).mT
    return prior + likelihood, log_q


def exact_elbo(program, x):
    log_p, log_q = log_densities(program, x)
    return (log_q.exp() * (log_p - log_q)).sum()


def exact_renyi_of_two(alpha, program, x):
    """E log-mean of two weights to the power 1 - alpha, over all pairs of states."""
    log_p, log_q = log_densities(program, x)
    log_w = (1 - alpha) * (log_p - log_q)
    pairs = torch.logaddexp(log_w[:, :, None], log_w[:, None, :]) - torch.tensor(2.0).log()
    chance = (log_q[:, :, None] + log_q[:, None, :]).exp()
    return (chance * pairs).sum() / (1 - alpha)


def exact_gradient(program, bound, x):
    grads = torch.autograd.grad(-bound(program, x), parameters(program))
    return flat(grads)


def batch_gradients(program, x, batches=BATCHES, copies=COPIES):
    """Shape (batches, all parameters): each an average over `copies` draws."""
    program.state.eval()
    wide, found = x.repeat(copies, 1), []
    for _ in range(batches):
        program.zero_grad(set_to_none=True)
        program.backward(clock(x.device), None, wide)
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters(program)]
        found.append(flat(grads) / copies)
    return torch.stack(found)


def minibatch_gradients(program, x, draws, size=4):
    """The gradient of each of `draws` random minibatches of x, shape (draws, all parameters)."""
    found = []
    for _ in range(draws):
        rows = torch.randperm(len(x))[:size]
        program.zero_grad(set_to_none=True)
        program.backward(clock(), rows, x[rows])
        found.append(flat(p.grad for p in parameters(program)))
    return torch.stack(found)


def largest_z(found, exact):
    """The largest distance from the exact value over all coordinates, in standard errors."""
    return float(((found.mean(0) - exact).abs() / standard_error(found).clamp(min=1e-12)).max())


def linear():
    return ProbabilisticPCA(PIXELS, 2)


def closed_form_elbo(program, x):
    """log p(x) - KL(q || posterior), both in closed form."""
    (output,) = program.guide.encoder((x,))
    loc, scale = program.guide._moments(output)
    q = dist.MultivariateNormal(loc, scale_tril=torch.diag_embed(scale))
    posterior = program.model.posterior(x)["z"]
    return (program.model.log_evidence(x) - kl_divergence(q, posterior)).sum()
