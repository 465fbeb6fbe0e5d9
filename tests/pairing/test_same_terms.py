"""Latents that the guide always counts, and the model masks or draws in some runs only."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer.autoguide import AutoNormal

import zoo
from zoo.sampling.draws import _join

X = torch.tensor([0.4, 1.3, -0.2, 2.0])
SEEN = torch.tensor([True, True, False, True])


def partly_seen(x, seen):
    mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0), obs=x, obs_mask=seen)


def masked(x):
    with pyro.plate("data", len(x)), poutine.mask(mask=SEEN):
        z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def under_the_mask(x):
    loc = pyro.param("loc", lambda: x / 2)
    with pyro.plate("data", len(x)), poutine.mask(mask=SEEN):
        pyro.sample("z", dist.Normal(loc, 0.7))


def sometimes(x):
    k = pyro.sample("k", dist.Normal(torch.zeros(()), 1.0))
    a = pyro.sample("a", dist.Normal(torch.zeros(()), 1.0)) if k > 0 else torch.zeros(())
    pyro.sample("x", dist.Normal(k + a, 1.0), obs=x)


def sometimes_too(x):
    k = pyro.sample("k", dist.Normal(pyro.param("at", torch.zeros(())), 1.0))
    if k > 0:
        pyro.sample("a", dist.Normal(torch.zeros(()), 1.0))


def fitted(model, guide, *args):
    return zoo.fit(model, guide, *args, steps=5, compile=False)


@pytest.mark.parametrize("guide", ["full_rank+amortised_normal", AutoNormal])
def test_missing_data_by_obs_mask_are_refused(guide):
    with pytest.raises(ValueError, match="masks 'x_unobserved' and the guide does not"):
        fitted(partly_seen, guide, X, SEEN)


def test_a_mask_over_latents_must_be_in_the_guide_too():
    with pytest.raises(ValueError, match="masks 'z' and the guide does not"):
        fitted(masked, "per_datum", X)
    assert fitted(masked, under_the_mask, X).stopped == "finished"


def test_a_mask_that_is_true_everywhere_is_none():
    def whole(x):
        with poutine.mask(mask=torch.ones(len(x)).bool()):
            masked_by_nothing(x)

    def masked_by_nothing(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    assert fitted(whole, "per_datum", X).stopped == "finished"


@pytest.mark.parametrize("guide", ["mean_field", "full_rank"])
def test_a_latent_drawn_under_a_condition_is_refused(guide):
    with pytest.raises(ValueError, match="draws 'a' in every run and the model only in some"):
        fitted(sometimes, guide, X[0])


def test_a_guide_with_the_same_condition_is_trained():
    assert fitted(sometimes, sometimes_too, X[0]).stopped == "finished"


def test_draws_with_other_latents_in_each_run_are_refused_by_name():
    parts = [{"k": torch.zeros(1), "a": torch.zeros(1)}, {"k": torch.zeros(1)}]
    for order in (parts, parts[::-1]):
        with pytest.raises(ValueError, match="'a' is not drawn in every run"):
            _join(order)
