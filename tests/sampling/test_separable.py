"""Rows that cannot be taken apart are scored together, and are not put into minibatches."""

import pyro
import pyro.distributions as dist
import pytest
import torch

import zoo
from guides import AmortisedDiscrete, AmortisedFullRank, AmortisedNormal, PerDatum
from zoo.isolation import isolated
from zoo.sampling.separable import why_inseparable

ERRORS = 5
X = torch.linspace(-1.0, 1.0, 40) + 0.3 * torch.arange(40.0)


def trend(x):
    """Each row knows its time by its position."""
    t = torch.arange(len(x)) * 0.3
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(t, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def in_a_closure(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x, 1.0))
        pyro.sample("y", dist.Normal(z, 0.5), obs=X)


def of_forty_rows(x):
    assert len(x) == 40
    alone(x)


def of_the_mean(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x - x.mean())


def alone(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


@pytest.mark.parametrize(
    ("model", "is_apart"),
    [(trend, 0), (in_a_closure, 0), (of_forty_rows, 0), (alone, 1)],
)
def test_models_are_told_apart(model, is_apart):
    fit = zoo.fit(model, PerDatum, X, steps=1)
    assert (why_inseparable(fit.program, (X,)) is None) == bool(is_apart)


@pytest.mark.thin(2)
@pytest.mark.parametrize("metrics", [["log_evidence"], ["elbo", "psis"]])
def test_rows_known_by_their_position_are_scored_together(metrics):
    fit = zoo.fit(trend, PerDatum, X, steps=600, lr=0.05)
    found = zoo.evaluate(fit, metrics=metrics, draws=2000)
    exact = dist.Normal(torch.arange(40) * 0.3, 1.25**0.5).log_prob(X).mean()
    for name in found:
        if name in ("elbo", "log_evidence"):
            gap = float(exact) - found[name].value
            assert -ERRORS * found[name].se < gap < 0.05


def of_two_levels(x):
    """A latent that indexes: its values are not to be moved by their rounding in the check."""
    t = torch.arange(len(x)) * 0.3
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(torch.tensor([-2.0, 2.0])[z.long()] + t, 1.0), obs=x)


@pytest.mark.parametrize(
    ("model", "guide"),
    [(trend, AmortisedNormal), (of_the_mean, AmortisedNormal), (of_two_levels, AmortisedDiscrete)],
)
def test_they_take_no_minibatches(model, guide):
    with pytest.raises(ValueError, match="rows cannot be taken apart: .* batch_size=None"):
        zoo.fit(model, guide, X, steps=1, batch_size=10)


def test_a_correlated_guide_may_round_strongly():
    """In float32 its log-probability moves by more than the square root of the precision."""
    with isolated():
        torch.set_default_dtype(torch.float32)
        try:
            task = zoo.load("local_level")
            fit = zoo.fit(task, AmortisedFullRank, steps=1)
        finally:
            torch.set_default_dtype(torch.float64)
    assert why_inseparable(fit.program, task.split("train")) is None
