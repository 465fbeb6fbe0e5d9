"""A correlated target with known gap, chains that are set by hand, and their log-weights."""

import pyro
import pyro.distributions as dist
import torch
from cases import ERRORS

from guides.parts.plates import unscaled
from zoo.isolation import isolated
from zoo.metrics.weight_diagnostics import k_hat
from zoo.objectives import Trace
from zoo.program import build
from zoo.sampling.importance_weights import weight_chunks

DRAWS = 4000
COVARIANCE = torch.tensor([[1.0, 0.9], [0.9, 1.0]])
NEAREST = 0.19**0.5  # sd of the mean-field normal nearest to it: 1 / its precision's diagonal
MEAN_FIELD_GAP = -0.5 * torch.log(torch.tensor(0.19))


def correlated():
    pyro.sample("z", dist.MultivariateNormal(torch.zeros(2), COVARIANCE))


@torch.no_grad()
def set_chain(guide, *, step, kept):
    for raw in guide.chain.unconstrained_step:
        raw.copy_(unscaled(torch.full_like(raw, step)))
    for raw in guide.chain.unconstrained_kept:
        raw.fill_(torch.tensor(kept).logit())


@torch.no_grad()
def log_weights(model, args, family, mean, factor, *, step=0.5, kept=0.6, seed=0):
    """Of a chain that is set and not trained: (draws,)."""
    with isolated(seed=seed):
        program = build(model, family, Trace(), args)
        program.guide.start_at(mean, factor)
        set_chain(program.guide, step=step, kept=kept)
        return torch.cat(list(weight_chunks(program, args, DRAWS)), dim=1)[:, 0]


def mean_and_error(values):
    return values.mean(), values.std() / len(values) ** 0.5


def compare_with_evidence(log_w, exact):
    """The mean weight is the evidence, and the bound is below it."""
    assert k_hat(log_w[:, None])[0].max() < 0.7  # else the error of a mean weight is not known
    ratio, error = mean_and_error((log_w - exact).exp())
    assert abs(ratio - 1) < ERRORS * error
    bound, error = mean_and_error(log_w)
    assert bound < exact - ERRORS * error
