"""A model, a guide or closure data that changed between a fit and its going on is noticed."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoNormal
from small_tasks import ppca_task
from torch import nn
from torch.distributions import constraints

import zoo
from guides import AmortisedNormal, MeanField
from zoo.results.same_code import SetValues, _inside, _of_sites, densities

X = torch.linspace(-1.0, 2.0, 12)
fit = partial(zoo.fit, steps=2, compile=False)


def normal(mean=0.0, sd=1.0, *, shift=0.0):
    def model(x):
        z = pyro.sample("z", dist.Normal(mean, sd))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z + shift, 1.0), obs=x)

    return model


def with_weights(data):
    def model(y):
        w = pyro.sample("w", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(data @ w, 1.0), obs=y)

    return model


def own_guide(sd):
    def guide(x):
        loc = pyro.param("loc", torch.zeros(()))
        pyro.sample("z", dist.Normal(loc, sd))

    return guide


DATA = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
CHANGES = {
    "prior mean": (normal(), normal(0.1), "'z' has log-density"),
    "prior scale": (normal(), normal(sd=2.0), "'z' has log-density"),
    "likelihood": (normal(), normal(shift=0.2), "'x' has log-density"),
    "closure": (with_weights(DATA), with_weights(DATA + 0.01), "'y' has log-density"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_model_of_the_same_name_is_refused(name, tmp_path):
    model, other, message = CHANGES[name]
    saved = fit(model, MeanField, X)
    folder = zoo.save(saved, tmp_path)
    with pytest.raises(ValueError, match=f"model passed is another than .*{message}"):
        zoo.load_fit(folder, other, X)
    for earlier in (saved, folder):
        with pytest.raises(ValueError, match=f"model passed is another than .*{message}"):
            fit(other, MeanField, X, steps=4, resume=earlier)
        fit(model, MeanField, X, steps=4, resume=earlier)
    zoo.load_fit(folder, model, X)


def test_another_guide_function_is_refused(tmp_path):
    folder = zoo.save(fit(normal(), own_guide(1.0), X), tmp_path)
    with pytest.raises(ValueError, match="guide passed is another than .*'z' has log-density"):
        zoo.load_fit(folder, normal(), X, guide=own_guide(0.5))
    zoo.load_fit(folder, normal(), X, guide=own_guide(1.0))


def test_sites_that_came_or_went_are_named(tmp_path):
    def longer(x):
        normal()(x)
        pyro.sample("more", dist.Normal(0.0, 1.0), obs=torch.zeros(()))

    model = normal()
    longer.__name__ = model.__name__
    longer.__qualname__ = model.__qualname__
    folder = zoo.save(fit(model, MeanField, X), tmp_path)
    with pytest.raises(ValueError, match="model passed has a site 'more', .* fitted has none"):
        zoo.load_fit(folder, longer, X)


class Trainable(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(1)

    def forward(self, x):
        pyro.module("norm", self.norm)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.norm(z)[:, 0], 1.0), obs=x)


def test_training_and_random_numbers_change_nothing():
    task = ppca_task()
    for model, guide, *args in (
        (Trainable(), AmortisedNormal, X),
        (task, AmortisedNormal),
        (normal(), own_guide(1.0), X),
    ):
        found = []
        for seed, steps in ((0, 1), (1, 30)):
            one = fit(model, guide, *args, steps=steps, seed=seed, lr=0.1)
            before = one.program.state_dict()
            before = {name: value.clone() for name, value in before.items()}
            found.append(densities(one.program, one.task.split("train")))
            for name, value in one.program.state_dict().items():
                assert torch.equal(value, before[name])
        assert found[0] == found[1]
        assert found[0]["model"]


def test_every_support_has_a_value():
    support = {
        "boolean": dist.Bernoulli(torch.ones(3) / 2),
        "one hot": dist.OneHotCategorical(torch.ones(2, 3)),
        "count": dist.Poisson(torch.ones(2)),
        "simplex": dist.Dirichlet(torch.ones(2, 3)),
        "positive": dist.HalfCauchy(torch.ones(4)),
        "corr": dist.LKJCholesky(3, 1.0),
        "normal": dist.Normal(torch.zeros(2, 3), 1.0).to_event(1),
    }
    for fn in support.values():
        value = _inside(fn, torch.device("cpu"))
        assert value.shape == fn.shape()
        assert constraints_hold(fn, value)


def constraints_hold(fn, value):
    assert isinstance(fn.support, constraints.Constraint)
    return bool(fn.support.check(value).all())


def test_what_draws_outside_of_known_supports_is_not_compared(tmp_path):
    def walk(x):
        z = pyro.sample("z", dist.VonMises3D(torch.tensor([1.0, 0.0, 0.0])))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z[0], 1.0), obs=x)

    def still(x):
        place = pyro.param("place", torch.tensor([1.0, 0.0, 0.0]))
        pyro.sample("z", dist.Delta(place / place.norm(), event_dim=1))

    one = fit(walk, still, X)
    assert one.densities["model"] == {}
    zoo.load_fit(zoo.save(one, tmp_path), walk, X, guide=still)


class Held(nn.Module):
    """Data in a buffer that no state holds."""

    def __init__(self, data):
        super().__init__()
        self.register_buffer("data", data, persistent=False)

    def forward(self, y):
        with_weights(self.data)(y)


def in_double(data):
    def model(y):
        prior = dist.Normal(torch.zeros(2, dtype=torch.float64), 1.0)
        w = pyro.sample("w", prior.to_event(1))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(data @ w, 1.0), obs=y)

    return model


def poisson(data):
    """At weights of one half its rates overflow."""

    def model(y):
        w = pyro.sample("w", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Poisson((data @ w).exp()), obs=y)

    return model


def normal_of_weights(dtype):
    def guide(y):
        loc = pyro.param("loc", torch.zeros(2, dtype=dtype))
        pyro.sample("w", dist.Normal(loc, 0.01).to_event(1))

    return guide


MANY = torch.randn(5000, 2, generator=torch.Generator().manual_seed(1))
NOISE = 0.01 * torch.randn(5000, 2, generator=torch.Generator().manual_seed(2))
ONE_ROW = torch.zeros(5000, 2)
ONE_ROW[7] = 0.5
LARGE = torch.tensor([60.0, -70.0])
OF_DATA = {
    "a buffer without a state": (Held, DATA, DATA + 0.1, torch.float32),
    "double precision": (in_double, DATA.double(), DATA.double() + 0.1, torch.float64),
    "rates that overflow": (poisson, DATA * LARGE, DATA * LARGE * 1.1, torch.float32),
    "noise on all rows": (with_weights, MANY, MANY + NOISE, torch.float32),
    "one row of many": (with_weights, MANY, MANY + ONE_ROW, torch.float32),
}


@pytest.fixture
def single():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("name", OF_DATA)
def test_other_data_behind_the_model_are_noticed(name, tmp_path):
    build, data, other, dtype = OF_DATA[name]
    data, other = data.to(dtype), other.to(dtype)
    y = torch.ones(len(data), dtype=dtype)
    guide = normal_of_weights(dtype)
    folder = zoo.save(fit(build(data), guide, y), tmp_path)
    zoo.load_fit(folder, build(data), y, guide=guide)
    with pytest.raises(ValueError, match=r"model passed is another .*'y' has log-density"):
        zoo.load_fit(folder, build(other), y, guide=guide)


class Counts(nn.Module):
    """Its prior's weight grows with the times that it was run."""

    def __init__(self):
        super().__init__()
        self.times = 0

    def forward(self, x):
        self.times += 1
        with pyro.poutine.scale(scale=min(1.0, self.times / 100)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def test_a_model_with_a_counter_is_loaded(tmp_path):
    saved = fit(Counts(), MeanField, X, steps=5)
    loaded = zoo.load_fit(zoo.save(saved, tmp_path), Counts(), X)
    assert torch.equal(loaded.losses, saved.losses)


@pytest.mark.parametrize("buffer", [torch.empty(0, 3), torch.ones(1).expand(3)])
def test_any_buffer_is_saved_and_loaded(buffer, tmp_path):
    class Buffered(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("extra", buffer)

        def forward(self, x):
            normal()(x)

    saved = fit(Buffered(), MeanField, X)
    loaded = zoo.load_fit(zoo.save(saved, tmp_path), Buffered(), X)
    assert torch.equal(loaded.model.extra, buffer)


def test_an_autoguide_is_known_by_its_name():
    assert set(fit(normal(), AutoNormal, X).densities) == {"model"}


def test_a_loop_that_never_ends_at_set_values_is_not_compared():
    def until_heads(x):
        p = pyro.sample("p", dist.Beta(2.0, 2.0))
        tails = 0
        while pyro.sample(f"flip_{tails}", dist.Bernoulli(p), infer={"is_auxiliary": True}) < 0.5:
            tails += 1

    values = SetValues(torch.device("cpu"))
    assert _of_sites(until_heads, (X,), {}, values) == {}
