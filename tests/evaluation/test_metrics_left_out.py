"""PSIS-LOO from the draws of a guide: by weights, so that the guide need not be exact."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.distributions import Normal

import zoo
from zoo.metrics.prediction import loo

ROWS, PRIOR = 8, 2.0


def model(x):
    z = pyro.sample("z", dist.Normal(0.0, PRIOR))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def posterior(x):
    precision = len(x) + PRIOR**-2
    return (x.sum() / precision).item(), precision**-0.5


def exact(x):
    """Log p(x_n | x_-n) of each row."""
    precision = len(x) - 1 + PRIOR**-2
    return Normal((x.sum() - x) / precision, math.sqrt(1 + 1 / precision)).log_prob(x)


def off(x):
    """A guide that is half a posterior sd off, and too wide by a half."""
    mean, sd = posterior(x)
    pyro.sample("z", dist.Normal(mean + 0.5 * sd, pyro.param("sd", torch.tensor(1.5 * sd))))


@pytest.fixture
def x():
    return torch.randn(ROWS) + 1


def test_an_imperfect_guide_has_the_exact_metric(x):
    fit = zoo.fit(model, off, x, steps=1, lr=1e-30, compile=False)
    repeats = [zoo.evaluate(fit, metrics=["elpd_loo", "p_loo"], seed=s) for s in range(10)]
    truth = exact(x).sum()
    mean, sd = posterior(x)
    full = Normal(mean, math.hypot(1, sd)).log_prob(x).sum()
    for name, expected in (("elpd_loo", truth), ("p_loo", full - truth)):
        values = torch.tensor([found[name].value for found in repeats])
        assert abs(values.mean() - expected) < 5 * values.std() / 10**0.5


def test_without_the_weights_it_is_off(x):
    mean, sd = posterior(x)
    z = mean + 0.5 * sd + 1.5 * sd * torch.randn(4000)
    log_likelihood = Normal(z[:, None], 1.0).log_prob(x)
    log_w = Normal(mean, sd).log_prob(z) - Normal(mean + 0.5 * sd, 1.5 * sd).log_prob(z)
    with_weights, without = (loo(log_likelihood, w)[1].sum() for w in (log_w, None))
    assert abs(with_weights - exact(x).sum()) < 0.02
    assert abs(without - exact(x).sum()) > 0.05
