"""Pyro's own guides, whole or inside handlers: copied right, and of the bound that Pyro gives."""

import threading

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY
from pyro import poutine
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import (
    AutoDelta,
    AutoGuideList,
    AutoHierarchicalNormalMessenger,
    AutoNormal,
    AutoNormalMessenger,
    AutoRegressiveMessenger,
)

import zoo
from guides import MeanField
from zoo.isolation import isolated

Y = torch.linspace(-1.0, 2.0, 6)


def model(y):
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    b = pyro.sample("b", dist.Gamma(2.0, 1.0))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(a + b, 1.0), obs=y)


def test_a_guide_inside_a_handler():
    guide = AutoNormal(model)
    plain = zoo.fit(model, AutoNormal(model), Y, steps=5).losses
    fitted = zoo.fit(model, poutine.scale(guide, scale=1.0), Y, steps=5)
    torch.testing.assert_close(fitted.losses, plain, rtol=IDENTITY, atol=0)
    assert fitted.program.guide is not guide
    with pyro.get_param_store().scope():
        assert set(guide(Y)) == {"a", "b"}


MESSENGERS = (AutoNormalMessenger, AutoHierarchicalNormalMessenger, AutoRegressiveMessenger)


@pytest.mark.thorough
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("make", MESSENGERS)
def test_messengers_reach_the_bound_of_the_same_family(make, compiled):
    """One latent: all three are a normal of that latent. Their runs of the model do not count."""
    if compiled and make is not AutoNormalMessenger:
        pytest.skip("one is enough to compile")

    def one(y):
        a = pyro.sample("a", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(a, 1.0), obs=y)

    evidence = dist.MultivariateNormal(torch.zeros(6), torch.eye(6) + 1).log_prob(Y)
    for guide in (make, make(one)):
        fitted = zoo.fit(one, guide, Y, steps=400, lr=0.02, compile=compiled)
        scored = zoo.evaluate(fitted, metrics=["elbo", "log_evidence"])
        found = scored["log_evidence"]
        assert abs(found.value - float(evidence)) < 5 * found.se + IDENTITY
        assert scored["elbo"].value < float(evidence) + 5 * scored["elbo"].se


def test_a_messenger_under_pyros_own_bound():
    ours = zoo.fit(model, AutoNormalMessenger, Y, steps=5)
    theirs = zoo.fit(model, AutoNormalMessenger, Y, objective=Trace_ELBO(), steps=5)
    torch.testing.assert_close(ours.losses, theirs.losses, rtol=IDENTITY, atol=0)


def test_a_list_of_guides():
    guide = AutoGuideList(model)
    guide.append(AutoNormal(poutine.block(model, hide=["b"])))
    guide.append(AutoDelta(poutine.block(model, hide=["a"])))
    start = zoo.fit(model, guide, Y, steps=1)
    fitted = zoo.fit(model, guide, Y, steps=20, lr=0.05)
    first, last = dict(start.program.named_parameters()), fitted.program.named_parameters()
    assert all(not torch.equal(first[name], value) for name, value in last)


def one_fit(seed, found):
    found[seed] = zoo.fit(model, MeanField, Y, steps=40, seed=seed).losses


def test_fits_in_several_threads_are_those_of_one():
    expected: dict = {}
    for seed in range(4):
        one_fit(seed, expected)
    found: dict = {}
    threads = [threading.Thread(target=one_fit, args=(seed, found)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(expected)
    assert all(torch.equal(found[seed], expected[seed]) for seed in expected)


def test_the_room_can_be_entered_again_by_its_owner():
    with isolated(seed=0), isolated(seed=1):
        inner = torch.randn(())
    with isolated(seed=1):
        assert torch.equal(torch.randn(()), inner)
