"""Conjugate answers, recovered by guides of the zoo, by Pyro's and by hand-written ones."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, standard_error
from pyro import poutine
from pyro.infer.autoguide import AutoDiagonalNormal, AutoNormal
from torch.distributions import constraints

import zoo
from guides import MeanField
from zoo.isolation import isolated
from zoo.optim.schedules import Cosine


def conjugate(x):
    """mean ~ N(0, 1), x_n ~ N(mean, 1): the posterior is N(sum x / (N + 1), 1 / (N + 1))."""
    mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def hand_written(x):
    loc = pyro.param("loc", x.new_zeros(()))
    scale = pyro.param("scale", x.new_ones(()), constraint=constraints.positive)
    pyro.sample("mean", dist.Normal(loc, scale))


@pytest.mark.thin(4)
@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.parametrize("guide", [hand_written, MeanField, AutoNormal, AutoDiagonalNormal])
def test_the_conjugate_answer(guide, batch_size):
    """Over seeds, the fitted mean and log scale average to the exact ones.

    A minibatch's sum is kept small against the prior, so that the noise of its rows stays small.
    """
    x = torch.linspace(0.5, 1.5, 20)
    moments = []
    for seed in range(5):
        fitted = zoo.fit(
            conjugate,
            guide,
            x,
            steps=300,
            lr=0.05,
            lr_schedule=Cosine(300),
            seed=seed,
            batch_size=batch_size,
            device="cpu",
            compile=False,
        )
        with isolated(seed=seed), torch.no_grad(), fitted.program.handlers(None, size=20):
            trace = [poutine.trace(fitted.guide).get_trace(x) for _ in range(300)]
        draws = torch.stack([one.nodes["mean"]["value"].reshape(()) for one in trace])
        moments.append(torch.stack([draws.mean(), draws.var().log()]))
    found, exact = torch.stack(moments), torch.tensor([x.sum() / 21, -torch.tensor(21.0).log()])
    assert ((found.mean(0) - exact).abs() < ERRORS * standard_error(found)).all()
    assert (standard_error(found) < torch.tensor([0.05, 0.2])).all()
