"""`fit.model` and `fit.guide` carry the trained values of their param statements with them."""

import copy
import inspect
import pickle

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Predictive, Trace_ELBO
from pyro.infer.autoguide import AutoGuideList, AutoNormal
from pyro.optim import SGD
from torch import nn
from torch.distributions import constraints

import zoo
from guides import MeanField
from zoo.task import given
from zoo.training.refit import fit_again

X = torch.linspace(2.0, 4.0, 8)


def model(x):
    place = pyro.param("place", torch.zeros(()))
    spread = pyro.param("spread", torch.ones(()), constraint=constraints.positive)
    z = pyro.sample("z", dist.Normal(place, spread))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def guide(x):
    loc = pyro.param("loc", torch.zeros(()))
    scale = pyro.param("scale", torch.ones(()), constraint=constraints.positive)
    pyro.sample("z", dist.Normal(loc, scale))


class Statements(nn.Module):
    """A module whose forward makes its parameters by statements."""

    def __init__(self):
        super().__init__()
        self.prior = 2.0

    def forward(self, x):
        model(x)

    def guide(self, x):
        guide(x)


@pytest.fixture(scope="module")
def fitted():
    return zoo.fit(model, guide, X, steps=300, lr=0.03)


def site(fn, name):
    return poutine.trace(fn).get_trace(X).nodes[name]["value"].item()


def value(fit, name):
    with fit.program.store:
        return pyro.param(name).item()


def test_they_run_with_their_trained_values_everywhere(fitted):
    assert value(fitted, "loc") > 2
    for fn, name in ((fitted.model, "place"), (fitted.guide, "scale"), (fitted.guide, "loc")):
        assert site(fn, name) == value(fitted, name)


def test_the_global_store_is_neither_read_nor_written(fitted):
    pyro.param("loc", torch.tensor(-7.0))
    assert site(fitted.guide, "loc") == value(fitted, "loc")
    assert list(pyro.get_param_store()) == ["loc"]
    pyro.clear_param_store()


def test_predictive_draws_from_the_posterior(fitted):
    torch.manual_seed(0)
    draws = Predictive(fitted.model, guide=fitted.guide, num_samples=2000)(X)["z"]
    scale = value(fitted, "scale")
    assert abs(draws.mean() - value(fitted, "loc")) < 4 * scale / 2000**0.5
    assert draws.std().item() == pytest.approx(scale, rel=0.1)


@pytest.mark.thorough
def test_a_fit_of_the_trained_model_starts_from_its_values(fitted):
    for compiled in (False, True):
        again = zoo.fit(fitted.model, fitted.guide, X, steps=1, lr=1e-30, compile=compiled)
        for name in ("place", "spread", "loc", "scale"):
            assert value(again, name) == pytest.approx(value(fitted, name), rel=1e-5)
    before = value(fitted, "loc")
    moved = zoo.fit(fitted.model, fitted.guide, X, steps=5, lr=0.1)
    assert value(moved, "loc") != value(fitted, "loc") == before


def test_an_autoguide_of_the_trained_model_sees_its_values(fitted):
    held = zoo.fit(fitted.model, AutoNormal, X, steps=1, freeze_model=True)
    assert isinstance(held.guide, AutoNormal)
    assert value(held, "place") == pytest.approx(value(fitted, "place"), rel=1e-5)
    again = fit_again(fitted, given(model, (X[:4],)))
    assert value(again, "place") == pytest.approx(value(fitted, "place"), rel=1e-5)


def test_pyros_own_svi_goes_on_with_the_trained_parameters(fitted):
    fit = zoo.fit(fitted.model, fitted.guide, X, steps=1, lr=1e-30)
    before = value(fitted, "loc")
    start = value(fit, "loc")
    svi = SVI(fit.model, fit.guide, SGD({"lr": 0.01}), Trace_ELBO())
    svi.step(X)
    assert value(fit, "loc") != start
    assert value(fitted, "loc") == before


@pytest.mark.parametrize("of", [lambda m: m, lambda m: m.forward])
def test_modules_and_methods_with_statements_do_too(of):
    held = Statements()
    fit = zoo.fit(of(held), held.guide, X, steps=30, lr=0.1)
    assert site(fit.model, "place") == value(fit, "place") != 0
    assert site(fit.guide, "loc") == value(fit, "loc") != 0


def test_attributes_are_those_of_the_model():
    held = Statements()
    fit = zoo.fit(held, held.guide, X, steps=1)
    assert fit.model.prior == 2.0
    assert not hasattr(fit.model, "posterior")
    assert site(copy.deepcopy(fit.model), "place") == value(fit, "place")


def test_what_has_no_statements_comes_as_it_is():
    def plain(x):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    fit = zoo.fit(plain, MeanField, X, steps=1)
    assert fit.model is fit.program.model
    assert fit.guide is fit.program.guide


def sums(x):
    a = pyro.sample("a", dist.Normal(0.0, 10.0))
    b = pyro.sample("b", dist.Normal(0.0, 10.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(a + b, 1.0), obs=x)


def of_a(x):
    loc = pyro.param("a_loc", torch.tensor(0.0))
    pyro.sample("a", dist.Normal(loc, 0.5))


def test_a_list_of_autoguides_and_functions_has_them_too():
    guides = AutoGuideList(sums)
    guides.append(AutoNormal(poutine.block(sums, hide=["a"])))
    guides.append(of_a)
    fit = zoo.fit(sums, guides, X, steps=60, lr=0.05, compile=False)
    torch.manual_seed(0)
    draws = Predictive(fit.model, guide=fit.guide, num_samples=400)(X)["a"]
    assert value(fit, "a_loc") > 0.5
    assert abs(draws.mean() - value(fit, "a_loc")) < 4 * 0.5 / 20
    assert "a_loc" not in pyro.get_param_store()
    pyro.clear_param_store()


def test_a_lifted_statement_is_a_latent_with_its_own_prior(fitted):
    lifted = poutine.lift(fitted.model, prior={"place": dist.Normal(-50.0, 0.1)})
    torch.manual_seed(0)
    draws = [site(lifted, "place") for _ in range(3)]
    assert all(abs(draw + 50) < 1 for draw in draws)
    assert len(set(draws)) == 3


def test_they_can_be_pickled_after_a_run(fitted):
    fitted.guide(X)
    again = pickle.loads(pickle.dumps(fitted.guide))
    assert site(again, "loc") == value(fitted, "loc")


def test_they_look_like_what_was_passed(fitted):
    assert fitted.model.__name__ == "model"
    assert str(inspect.signature(fitted.model)) == "(x)"
    held = Statements()
    assert zoo.fit(held.forward, held.guide, X, steps=1).model.__self__.prior == 2.0
