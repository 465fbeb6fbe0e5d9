"""The density that NUTS is given: all chains at once, for models of any form."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.fx import GraphModule

import zoo
from zoo.isolation import in_double, isolated
from zoo.reference.posterior import Posterior

Y = torch.tensor(0.7)


def one_at_a_time(y):
    """A model that does not broadcast over particles: z[0] is a coordinate of one draw alone."""
    z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    pyro.sample("y", dist.Normal(z[0] * z[1], 0.5), obs=y)


def correlated(y):
    """A covariance that is positive definite for |r| < 1 alone."""
    r = pyro.sample("r", dist.Normal(torch.zeros(()), 0.1))
    ones = torch.ones_like(r)
    covariance = torch.stack([torch.stack([ones, r], -1), torch.stack([r, ones], -1)], -1)
    mean = torch.zeros(r.shape + (2,))
    pyro.sample("y", dist.MultivariateNormal(mean, covariance), obs=y.expand(2))


def test_a_model_that_does_not_broadcast_is_mapped_over_chains():
    with isolated(seed=0), in_double():
        posterior = Posterior(one_at_a_time, (Y.double(),), {}, 3)
        assert not posterior.density.latents.vectorises
        assert isinstance(posterior.slope, GraphModule)
        u = posterior.start()
        found, values = posterior.slope(u), posterior.values(u)
    noise = (Y.double() - u.prod(-1)) / 0.25
    expected = torch.stack([noise * u[:, 1] - u[:, 0], noise * u[:, 0] - u[:, 1]], -1)
    assert torch.allclose(found[1], expected, rtol=1e-8)
    assert torch.allclose(values["z"], u, rtol=1e-8)


def test_a_factorisation_that_fails_spoils_its_own_chain_alone():
    with isolated(seed=0), in_double():
        posterior = Posterior(correlated, (Y.double(),), {}, 3)
        u = torch.tensor([[0.3], [1.5], [-0.2]])
        value, slope = posterior.slope(u)
        alone, _ = posterior.plain(u[[0]])
    assert (value.isfinite() & slope.isfinite().all(-1)).tolist() == [True, False, True]
    assert torch.allclose(value[:1], alone, rtol=1e-8)


def scaled(y):
    """A location and a scale."""
    m = pyro.sample("m", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    s = pyro.sample("s", dist.LogNormal(torch.zeros(()), 1.0))
    pyro.sample("y", dist.Normal(m[..., 0], s), obs=y)


def test_chains_begin_near_what_is_given():
    with isolated(seed=0), in_double():
        posterior = Posterior(scaled, (Y.double(),), {}, 50)
        u = posterior.start({"m": (3.0, -1.0), "s": 20.0})
    away = u - torch.tensor([3.0, -1.0, math.log(20.0)])
    assert away.abs().max() <= 0.5
    assert (away.std(0) > 0.2).all()


@pytest.mark.parametrize(
    ("init", "text"),
    [
        ({"m": 0.0}, r"each site that is sampled, \['m', 's'\]; got \['m'\]"),
        ({"m": (1.0, 2.0, 3.0), "s": 1.0}, r"'m' of shape \(2,\); got \(3,\)"),
        ({"m": 0.0, "s": -1.0}, r"'s' in its support, GreaterThan.*; got -1\.0"),
    ],
)
def test_a_beginning_that_does_not_suit_is_refused(init, text):
    with isolated(seed=0), in_double():
        posterior = Posterior(scaled, (Y.double(),), {}, 2)
        with pytest.raises(ValueError, match=text):
            posterior.start(init)


def counted(y):
    """A recursion with a counter outside of its carry."""
    a = pyro.sample("a", dist.Normal(torch.zeros(()), 1.0))
    t = iter(range(len(y)))

    def step(h, _):
        h = 0.5 * h + a * next(t)
        return h, h

    _, means = zoo.scan(step, torch.zeros_like(a), y)
    pyro.sample("y", dist.Normal(means.movedim(0, -1), 1.0).to_event(1), obs=y)


def halted(y):
    """A recursion that lets no gradient through its carry."""
    a = pyro.sample("a", dist.Normal(torch.zeros(()), 1.0))
    _, means = zoo.scan(lambda h, e: (h.detach() + a * e, h), torch.zeros_like(a), y)
    pyro.sample("y", dist.Normal(means.movedim(0, -1), 1.0).to_event(1), obs=y)


@pytest.mark.parametrize("model", [counted, halted])
def test_a_scan_that_is_no_recursion_of_its_carry_runs_as_a_python_loop(model):
    with isolated(seed=0), in_double():
        posterior = Posterior(model, (torch.ones(6).double(),), {}, 3)
        u = posterior.start()
        for one, two in zip(posterior.slope(u), posterior.plain(u), strict=True):
            assert torch.allclose(one, two, rtol=1e-8)
    assert not isinstance(posterior.slope, GraphModule)
