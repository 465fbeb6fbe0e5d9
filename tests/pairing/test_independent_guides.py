"""Objectives for independent latents refuse a guide of a user's whose latents are not."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine

import zoo
from zoo.objectives import OBJECTIVES
from zoo.pairing.guide_sites import check_independent

OF_BITS = [name for name, one in OBJECTIVES.items() if one.needs.independent]


def bits():
    u = pyro.sample("u", dist.Bernoulli(0.4))
    v = pyro.sample("v", dist.Bernoulli(0.5))
    pyro.sample("x", dist.Normal(u + v, 1.0), obs=torch.tensor(1.0))


def following():
    u = pyro.sample("u", dist.Bernoulli(logits=pyro.param("a", torch.tensor(0.0))))
    pyro.sample("v", dist.Bernoulli(logits=pyro.param("b", torch.tensor(1.0)) * u))


def apart():
    pyro.sample("u", dist.Bernoulli(logits=pyro.param("a", torch.tensor(0.0))))
    pyro.sample("v", dist.Bernoulli(logits=pyro.param("b", torch.tensor(1.0))))


def classes():
    z = pyro.sample("z", dist.Categorical(logits=torch.zeros(3)))
    w = pyro.sample("w", dist.Categorical(logits=torch.zeros(4)))
    pyro.sample("x", dist.Normal((z + w).to(torch.get_default_dtype()), 1.0), obs=torch.ones(()))


def following_classes():
    z = pyro.sample("z", dist.Categorical(logits=pyro.param("a", torch.zeros(3))))
    pyro.sample("w", dist.Categorical(logits=pyro.param("b", torch.eye(3, 4))[z]))


@pytest.mark.parametrize("name", OF_BITS)
def test_a_latent_that_follows_another_is_refused(name):
    with pytest.raises(zoo.PairingError, match="'v' from a distribution that depends on 'u'"):
        zoo.fit(bits, following, objective=name, steps=1)


@pytest.mark.parametrize("name", OF_BITS)
def test_latents_apart_are_taken(name):
    fit = zoo.fit(bits, apart, objective=name, steps=1)
    assert fit.losses.isfinite().all()


@pytest.mark.parametrize("name", ["disarm_tree", "unordered_set"])
def test_a_class_that_follows_another_is_refused(name):
    with pytest.raises(zoo.PairingError, match="'w' from a distribution that depends on 'z'"):
        zoo.fit(classes, following_classes, objective=name, steps=1)


def test_objectives_that_take_any_guide_take_it():
    assert zoo.fit(bits, following, objective="rloo", steps=1).losses.isfinite().all()


def test_a_latent_that_is_drawn_for_some_values_alone_is_named():
    def sometimes():
        if pyro.sample("u", dist.Bernoulli(torch.tensor(0.5))):
            pyro.sample("v", dist.Bernoulli(torch.tensor(0.5)))

    with poutine.condition(data={"u": torch.tensor(1.0)}):
        drawn = poutine.trace(sometimes).get_trace()
    drawn.nodes["u"]["is_observed"] = False
    with pytest.raises(zoo.PairingError, match="'v' from a distribution that depends on 'u'"):
        check_independent(sometimes, drawn, (), {}, "arm")
