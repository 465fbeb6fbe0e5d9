"""describe: what it finds in the zoo's models, and in any other."""

import copy
import random

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import MODEL_CASES, ROWS
from pyro import poutine
from pyro.nn import PyroModule, PyroParam, PyroSample
from torch import nn
from torch.distributions import constraints

import zoo
from zoo.distributions import Density
from zoo.latents import Kind, describe
from zoo.latents.architecture import DEFAULT_HIDDEN
from zoo.manifolds.hyperboloid import hyperboloid
from zoo.models import MODELS
from zoo.permutations import PlackettLuce


def summary(site):
    size = site.size if site.kind is Kind.CONTINUOUS else 0
    plates = tuple(plate.name for plate in site.plates)
    shapes = tuple(site.event_shape), tuple(site.batch_shape)
    return (site.kind.value, site.scope, *shapes, plates, size)


@pytest.mark.parametrize("name", MODELS)
def test_the_models_of_the_table(name, device):
    case = MODEL_CASES[name]
    model, args = case.make(device)
    found = zoo.describe(model, *args)
    expected = {
        name: (site.kind, site.scope, site.event, site.batch, site.plates, site.size)
        for name, site in case.sites.items()
    }
    assert {site.name: summary(site) for site in found.sites} == expected
    assert found.names == tuple(case.sites)
    assert found.observed == case.observed
    assert (found.row_plate.name if found.row_plate else None) == case.row_plate
    assert found.context == case.context
    assert found.hidden == case.hidden
    assert found.nesting == case.nesting
    assert found.vectorises
    assert not found.subsampled
    assert found.rowwise == all(site.scope == "local" for site in case.sites.values())
    assert found.activation is nn.ReLU


def with_param(x):
    scale = pyro.param("scale", torch.tensor(2.0), constraint=constraints.positive)
    z = pyro.sample("z", dist.Normal(0.0, scale))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def test_a_function_with_parameters():
    found = describe(with_param, torch.randn(4))
    assert (found.names, found.observed, found.hidden) == (("z",), ("x",), DEFAULT_HIDDEN)
    assert summary(found["z"]) == ("continuous", "global", (), (), (), 1)
    assert found.row_args == (0,)
    assert not found.rowwise
    assert len(pyro.get_param_store()) == 0


class Regression(PyroModule):
    """Bayesian linear layer in Pyro's own style."""

    def __init__(self):
        super().__init__()
        self.weight = PyroSample(dist.Normal(torch.zeros(3), 1.0).to_event(1))
        self.noise = PyroParam(torch.tensor(1.0), constraint=constraints.positive)

    def forward(self, x, y=None):
        mean = (self.weight * x).sum(-1)
        with pyro.plate("data", len(x)):
            return pyro.sample("y", dist.Normal(mean, self.noise), obs=y)


@pytest.mark.parametrize("local", [False, True])
def test_a_pyro_module(local):
    with pyro.settings.context(module_local_params=local):
        model = Regression()
        found = describe(model, torch.randn(5, 3), torch.randn(5))
    assert (found.names, found.observed) == (("weight",), ("y",))
    assert found["weight"].event_shape == (3,)
    assert found.row_args == (0, 1)
    assert found.context == 4


def test_an_unobserved_outcome_is_a_latent():
    found = describe(Regression(), torch.randn(5, 3))
    assert found.names == ("weight", "y")
    assert found["y"].local
    assert not found["weight"].local
    assert found.observed == ()


def test_condition_observes():
    model = poutine.condition(Regression(), data={"y": torch.randn(5)})
    assert describe(model, torch.randn(5, 3)).names == ("weight",)
    assert describe(model, torch.randn(5, 3)).observed == ("y",)


def nested(x):
    """A plate over columns outside of rows, with latents at every level."""
    columns = pyro.plate("columns", x.shape[1], dim=-1)
    rows = pyro.plate("data", len(x), dim=-2)
    centre = pyro.sample("centre", dist.Normal(0.0, 1.0))
    with columns:
        offset = pyro.sample("offset", dist.Normal(centre[..., None], torch.ones(2)).to_event(1))
    with rows:
        shift = pyro.sample("shift", dist.Normal(0.0, 1.0))
    with rows, columns:
        z = pyro.sample("z", dist.Normal(shift, 1.0))
        pyro.sample("x", dist.Normal(z + offset.sum(-1), 1.0), obs=x)


def test_nested_plates():
    found = describe(nested, torch.randn(6, 4))
    assert {site.name: summary(site) for site in found.sites} == {
        "centre": ("continuous", "global", (), (), (), 1),
        "offset": ("continuous", "global", (2,), (4,), ("columns",), 8),
        "shift": ("continuous", "local", (), (6, 1), ("data",), 6),
        "z": ("continuous", "local", (), (6, 4), ("data", "columns"), 24),
    }
    assert (found.nesting, found.row_plate.name, found.row_plate.dim) == (2, "data", -2)
    assert found.vectorises


def own_subsample(x):
    with pyro.plate("people", len(x), subsample_size=3) as rows:
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x[rows])


def test_a_plate_that_subsamples_for_itself():
    found = describe(own_subsample, torch.randn(10))
    assert summary(found["z"]) == ("continuous", "local", (), (10,), ("people",), 10)
    assert (found.row_plate.size, found.row_plate.subsample) == (10, 3)
    assert not found.row_plate.given
    assert found.row_args == ()
    assert found.subsampled


def test_a_minibatch_of_rows_and_their_full_number():
    model, args = MODEL_CASES["ppca"].make()
    found = describe(model, *args, rows=100)
    assert found["z"].batch_shape == (100,)
    assert (found.row_plate.size, found.row_plate.subsample) == (100, ROWS)
    assert found.row_plate.given
    assert found.subsampled


def in_space(support):
    """A distribution of vectors of 3 numbers with that support; only its support is looked at."""
    return Density(lambda z: z.sum(-1), lambda shape: torch.ones(*shape, 3), 3, support=support)


SUPPORTS = {
    "positive": (lambda: dist.HalfCauchy(1.0), Kind.CONTINUOUS, (), 0),
    "interval": (lambda: dist.Uniform(-1.0, 2.0), Kind.CONTINUOUS, (), 0),
    "simplex": (lambda: dist.Dirichlet(torch.ones(4)), Kind.CONTINUOUS, (3,), 0),
    "cholesky": (lambda: dist.LKJCholesky(3, 1.0), Kind.CONTINUOUS, (3,), 0),
    "boolean": (lambda: dist.Bernoulli(torch.full((3,), 0.5)).to_event(1), Kind.DISCRETE, None, 2),
    "one_hot": (lambda: dist.OneHotCategorical(torch.ones(4)), Kind.DISCRETE, None, 4),
    "integers": (lambda: dist.Categorical(torch.ones(5)), Kind.DISCRETE, None, 5),
    "counts": (lambda: dist.Poisson(1.0), Kind.DISCRETE, None, 0),
    "permutation": (
        lambda: PlackettLuce(torch.zeros(4)),
        Kind.PERMUTATION,
        None,
        24,
    ),
    "sphere": (
        lambda: dist.ProjectedNormal(torch.tensor([0.0, 0.0, 2.0])),
        Kind.SPHERE,
        None,
        0,
    ),
    "spheres": (
        lambda: dist.ProjectedNormal(torch.ones(4, 3)).to_event(1),
        Kind.SPHERE,
        None,
        0,
    ),
    "hyperboloid": (lambda: in_space(hyperboloid), Kind.HYPERBOLOID, None, 0),
    "unknown": (lambda: in_space(constraints.symmetric), Kind.UNBIJECTABLE, None, 0),
}


@pytest.mark.parametrize("name", SUPPORTS)
def test_kinds_follow_from_supports(name):
    make, kind, unconstrained, classes = SUPPORTS[name]

    def model():
        pyro.sample("z", make())

    site = describe(model)["z"]
    assert site.kind is kind
    assert site.classes == classes
    assert site.event_shape == make().event_shape
    if unconstrained is not None:
        assert site.unconstrained_shape == unconstrained
        assert site.size == torch.Size(unconstrained).numel()


def test_deterministic_sites_are_neither_latent_nor_data():
    model, args = MODEL_CASES["eight_schools_noncentred"].make()
    found = describe(model, *args)
    assert "theta" not in found.names + found.observed


def test_nothing_to_describe():
    with pytest.raises(ValueError, match="Expected a model with pyro.sample sites"):
        describe(lambda x: x, torch.randn(3))


def test_select():
    model, args = MODEL_CASES["eight_schools"].make()
    found = describe(model, *args)
    assert found.select("tau").names == ("tau",)
    assert found.select("tau").observed == found.observed
    with pytest.raises(ValueError, match="No latent named 'sigma'"):
        found.select("sigma")


@pytest.mark.parametrize("validate", [False, True])
def test_the_process_is_as_it_was(validate):
    with pyro.validation_enabled(validate):
        pyro.param("mine", torch.ones(2))
        np.random.seed(3)
        before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
        settings = pyro.settings.get()
        describe(with_param, torch.randn(4, generator=torch.Generator().manual_seed(0)))
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.random.get_state()[1].tolist() == before[1]
        assert random.getstate() == before[2]
        assert list(pyro.get_param_store().keys()) == ["mine"]
        assert pyro.settings.get() == settings
        assert pyro.infer.util.is_validation_enabled() == validate
        pyro.clear_param_store()


def test_the_model_is_untouched():
    model, args = MODEL_CASES["gaussian_vae"].make()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    describe(model, *args)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_copied_guide_keeps_the_supports():
    """Supports are compared by identity: a copy of one would be another."""
    made, args = MODEL_CASES["gaussian_vae"].make()
    latents = zoo.describe(made, *args)
    assert copy.deepcopy(latents)["z"].base_support is latents["z"].base_support
