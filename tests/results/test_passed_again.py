"""A saved fit with a model, data or settings of the user's own: passed again, or refused."""

from dataclasses import dataclass
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoNormal
from small_tasks import ppca_task, regression
from test_checkpoint import same
from torch.distributions import constraints

import zoo
from guides import AmortisedNormal, MeanField
from zoo.objectives import Objective, TraceGraph


def statements(x):
    """A user's own model, with its parameter in a pyro.param statement."""
    noise = pyro.param("noise", torch.ones(()), constraint=constraints.positive)
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, noise), obs=x)


@pytest.mark.parametrize("guide", [AutoNormal, MeanField])
def test_a_users_own_model_is_passed_again(guide, tmp_path):
    x = torch.randn(9)
    saved = zoo.fit(statements, guide, x, steps=8)
    folder = zoo.save(saved, tmp_path)
    with pytest.raises(ValueError, match="'statements', which is no model of the zoo"):
        zoo.load_fit(folder)
    loaded = zoo.load_fit(folder, statements, x, guide=guide)
    assert same(saved, loaded)
    again = [zoo.fit(statements, guide, x, steps=15, resume=r) for r in (saved, loaded)]
    assert same(*again)


def test_a_guide_that_is_none_of_the_zoos_is_passed_again(tmp_path):
    model, *args = regression()
    folder = zoo.save(zoo.fit(model, AutoNormal, *args, steps=2), tmp_path)
    with pytest.raises(ValueError, match="guide is none of the zoo's"):
        zoo.load_fit(folder, model, *args)


def scaled(x, scale=1.0):
    """A user's own model with a keyword argument."""
    mean = pyro.sample("mean", dist.Normal(0.0, scale))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def test_keyword_arguments_are_passed_again(tmp_path):
    x, passed = torch.randn(9), {"scale": 3.0}
    saved = zoo.fit(scaled, MeanField, x, steps=4, model_kwargs=passed)
    folder = zoo.save(saved, tmp_path)
    with pytest.raises(ValueError, match=r"keyword arguments \['scale'\]; got \[\]"):
        zoo.load_fit(folder, scaled, x)
    loaded = zoo.load_fit(folder, scaled, x, model_kwargs=passed)
    on = partial(zoo.fit, scaled, MeanField, x, steps=9, model_kwargs=passed)
    assert same(on(resume=saved), on(resume=loaded))
    assert dict(zoo.evaluate(saved, draws=20)) == dict(zoo.evaluate(loaded, draws=20))


@dataclass(frozen=True)
class Doubled(Objective):
    """An objective of the user's own."""

    def loss(self, pair, state, args, kwargs):
        return 2 * TraceGraph().loss(pair, state, args, kwargs)


def halved(step):
    return torch.full_like(step, 0.5)


def doubled(step):
    return torch.full_like(step, 2.0)


@pytest.mark.parametrize(
    ("name", "own", "other"),
    [
        ("objective", Doubled(), TraceGraph()),
        ("lr_schedule", halved, doubled),
        ("kl_weight", halved, doubled),
    ],
)
def test_what_json_cannot_say_is_passed_again(name, own, other, tmp_path):
    task = ppca_task()
    saved = zoo.fit(task, AmortisedNormal, steps=4, **{name: own})
    folder = zoo.save(saved, tmp_path)
    with pytest.raises(ValueError, match=f"{name} '.*' is of your own: pass it again"):
        zoo.load_fit(folder, task)
    with pytest.raises(ValueError, match=f"The fit has {name} .*; got .*Pass the same one"):
        zoo.load_fit(folder, task, **{name: other})
    loaded = zoo.load_fit(folder, task, **{name: own})
    assert same(saved, loaded)
    on = partial(zoo.fit, task, AmortisedNormal, steps=9, **{name: own})
    assert same(on(resume=loaded), on())


@dataclass
class Inputs:
    """Data of a user's own model, as it may be handed over."""

    x: torch.Tensor
    extra: object = None


def nested(data, scale=None):
    x = data["x"] if isinstance(data, dict) else data[0] if isinstance(data, list) else data.x
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0 if scale is None else scale["of mean"]))
    pyro.sample("x", dist.Normal(mean, 1.0).expand(x.shape).to_event(1), obs=x)


X = torch.linspace(0.0, 1.0, 5)


SHAPES = {
    "dict": lambda x: {"x": x},
    "list": lambda x: [x, None],
    "dataclass": Inputs,
    "deep": lambda x: {"x": X, "more": [Inputs(X, {"deeper": (x,)})]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_other_data_are_refused_however_deep_they_lie(shape, tmp_path):
    make = SHAPES[shape]
    saved = zoo.fit(nested, MeanField, make(X), steps=2)
    folder = zoo.save(saved, tmp_path)
    assert same(saved, zoo.load_fit(folder, nested, make(X.clone())))
    other = X.clone()
    other[3] += 1e-9
    with pytest.raises(ValueError, match="made on data with hash"):
        zoo.load_fit(folder, nested, make(other))


def test_other_keyword_arguments_are_refused(tmp_path):
    scale = {"of mean": torch.tensor(2.0)}
    saved = zoo.fit(nested, MeanField, [X], steps=2, model_kwargs={"scale": scale})
    folder = zoo.save(saved, tmp_path)
    loaded = zoo.load_fit(folder, nested, [X], model_kwargs={"scale": dict(scale)})
    assert same(saved, loaded)
    other = {"of mean": torch.tensor(3.0)}
    with pytest.raises(ValueError, match="keyword arguments of hash .*; those passed have"):
        zoo.load_fit(folder, nested, [X], model_kwargs={"scale": other})
