"""How many rows a mean is over: those with latents of their own, wherever the model gets them."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY

import zoo
from guides import AmortisedNormal

ROWS = 40  # more than are scored at once with 1000 draws


def observe(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def guide(x):
    loc = pyro.param("loc", lambda: x / 2)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(loc, 0.8))


def of_dictionary(batch):
    observe(batch["x"])


def guide_of_dictionary(batch):
    guide(batch["x"])


def sharing(x):
    z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def guide_of_one(x):
    pyro.sample("z", dist.Normal(pyro.param("loc", x.new_tensor(0.1)), 0.5))


def with_a_factor(x):
    pyro.factor("penalty", x.new_tensor(-50.0))
    observe(x)


def scored(model, guide, *args, **settings):
    fit = zoo.fit(model, guide, *args, steps=1, lr=1e-30, compile=False, device="cpu")
    return zoo.evaluate(fit, metrics=["elbo", "log_evidence"], **settings)


@pytest.fixture
def x():
    return torch.linspace(-1.0, 1.0, 6)


def test_rows_in_a_dictionary_are_rows(x):
    found = scored(of_dictionary, guide_of_dictionary, {"x": x}, draws=100)
    usual = scored(observe, guide, x, draws=100)
    assert (found.rows, found["elbo"].unit) == (usual.rows, usual["elbo"].unit) == (6, "nats/row")
    assert found["elbo"].value == pytest.approx(usual["elbo"].value, rel=IDENTITY)


def test_rows_that_share_a_latent_are_one(x):
    found = scored(sharing, guide_of_one, x, draws=100)
    assert (found.rows, found["elbo"].unit) == (1, "nats")


@pytest.mark.parametrize("metric", ["elbo", "log_evidence"])
def test_what_lies_outside_of_the_rows_counts_once(metric):
    """However many chunks of rows are scored one after another."""
    x = torch.linspace(-1.0, 1.0, ROWS)
    with_it, without = (
        scored(model, AmortisedNormal, x, draws=1000) for model in (with_a_factor, observe)
    )
    apart = (with_it[metric].value - without[metric].value) * ROWS
    assert apart == pytest.approx(-50.0, rel=IDENTITY)
