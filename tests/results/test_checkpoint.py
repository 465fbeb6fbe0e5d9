"""A saved fit comes back whole: the same parameters, metrics, and numbers when it goes on."""

import json
import pickle
from dataclasses import dataclass
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import (
    RenyiELBO,
    ReweightedWakeSleep,
    Trace_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
)
from pyro.infer.autoguide import AutoNormal
from safetensors.torch import load_file
from small_tasks import causes_task, ppca_task, regression
from torch.distributions import constraints

import zoo
from guides import AmortisedDiscrete, AmortisedNormal, Empty, MeanField, PerDatum, Relaxed
from zoo.objectives import DecayingAverage, Enumerate, Neural, Objective, Renyi, TraceGraph
from zoo.optim.schedules import Drops, Exponential, Linear

NVIL = TraceGraph(particles=2, baselines=(DecayingAverage(0.8), Neural((4,))))

CASES = {
    "plain": (ppca_task, AmortisedNormal, {}),
    "fixed scale": (ppca_task, partial(AmortisedNormal, fixed_scale=0.3), {"batch_size": 8}),
    "validated": (ppca_task, AmortisedNormal, {"patience": 9, "valid_every": 4}),
    "rows of their own": (ppca_task, PerDatum, {"optimizer": "sgd", "lr": 1e-4}),
    "schedules": (
        ppca_task,
        AmortisedNormal,
        {"lr_schedule": Drops((3, 9), 0.5), "kl_weight": Linear(0.0, 1.0, 20), "clip_norm": 9.0},
    ),
    "objective": (ppca_task, AmortisedNormal, {"objective": Renyi(3, alpha=0.2)}),
    "temperature": (
        causes_task,
        partial(Relaxed, temperature=Exponential(1.0, 0.05, 0.2), straight_through=True),
        {},
    ),
    "baselines": (causes_task, AmortisedDiscrete, {"objective": NVIL, "batch_size": 8}),
    "no guide": (causes_task, Empty, {"objective": Enumerate(), "freeze_model": False}),
}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def same(first, second):
    assert equal(first.program.state_dict(), second.program.state_dict())
    assert equal(first.last["program"], second.last["program"])
    assert torch.equal(first.losses, second.losses)
    assert first.valid == second.valid
    return True


@pytest.mark.thin(9)
@pytest.mark.parametrize("case", CASES)
def test_a_fit_comes_back_whole(case, tmp_path):
    make, guide, settings = CASES[case]
    task = make()
    saved = zoo.fit(task, guide, steps=12, seed=5, **settings)
    loaded = zoo.load_fit(zoo.save(saved, tmp_path / "deep" / "run"), task)
    assert same(saved, loaded)
    assert loaded.settings == saved.settings
    assert (loaded.stopped, loaded.backend) == (saved.stopped, saved.backend)
    assert not loaded.program.training
    assert loaded.seconds == saved.seconds
    metrics = [
        dict(zoo.evaluate(result, draws=40, metrics=["elbo", "k_hat"]))
        for result in (saved, loaded)
    ]
    assert metrics[0] == metrics[1]
    go_on = partial(zoo.fit, task, guide, steps=25, seed=5, **settings)
    further = [go_on(resume=result) for result in (saved, loaded)]
    assert same(*further)
    assert same(further[1], go_on())


@pytest.mark.parametrize("name", ["ppca", "eight_schools", "logistic_regression"])
def test_a_fit_of_the_zoo_needs_its_folder_only(name, tmp_path):
    guide = MeanField if name != "ppca" else AmortisedNormal
    saved = zoo.fit(zoo.load(name), guide, steps=3)
    assert same(saved, zoo.load_fit(zoo.save(saved, tmp_path)))


def test_the_seed_and_binarization_of_data_come_back(tmp_path):
    task = zoo.load("bernoulli_vae", seed=3, binarize="threshold")
    loaded = zoo.load_fit(zoo.save(zoo.fit(task, AmortisedNormal, steps=2), tmp_path))
    assert loaded.task.data.hash == task.data.hash
    assert (loaded.task.data.seed, loaded.task.data.binarize) == (3, "threshold")


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


def test_another_guide_is_refused(tmp_path):
    task = ppca_task()
    folder = zoo.save(zoo.fit(task, AmortisedNormal, steps=2), tmp_path)
    with pytest.raises(ValueError, match="guide"):
        zoo.load_fit(folder, task, guide=PerDatum)


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


def test_other_data_are_refused(tmp_path):
    model, x, y = regression()
    folder = zoo.save(zoo.fit(model, MeanField, x, y, steps=2), tmp_path)
    with pytest.raises(ValueError, match="made on data with hash"):
        zoo.load_fit(folder, model, x + 1, y)


def test_a_folder_without_a_fit_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="there is no fit.json"):
            zoo.load_fit(folder)


def test_another_format_is_refused(tmp_path):
    task = ppca_task()
    folder = zoo.save(zoo.fit(task, AmortisedNormal, steps=2), tmp_path)
    record = json.loads((folder / "fit.json").read_text())
    (folder / "fit.json").write_text(json.dumps(record | {"format": 1}))
    with pytest.raises(ValueError, match="Expected a fit of format 4; .* has 1"):
        zoo.load_fit(folder, task)


ELBOS = {
    "Trace_ELBO": lambda: Trace_ELBO(16),
    "vectorised": lambda: Trace_ELBO(4, vectorize_particles=True),
    "bounded": lambda: Trace_ELBO(2, vectorize_particles=True, max_plate_nesting=1),
    "TraceGraph_ELBO": lambda: TraceGraph_ELBO(2),
    "TraceMeanField_ELBO": lambda: TraceMeanField_ELBO(3),
    "RenyiELBO": lambda: RenyiELBO(alpha=0.5, num_particles=3),
    "ReweightedWakeSleep": lambda: ReweightedWakeSleep(3, insomnia=0.25),
}


@pytest.mark.thin(4)
@pytest.mark.parametrize("name", ELBOS)
def test_a_fit_with_an_elbo_of_pyro_comes_back(name, tmp_path):
    task, settings = ppca_task(), {"lr": 0.02, "seed": 1}
    saved = zoo.fit(task, AmortisedNormal, steps=4, objective=ELBOS[name](), **settings)
    loaded = zoo.load_fit(zoo.save(saved, tmp_path), task)
    assert same(saved, loaded)
    elbos = [one.settings.objective.elbo for one in (saved, loaded)]
    assert type(elbos[0]) is type(elbos[1])
    assert vars(elbos[0]) == vars(elbos[1])
    on = partial(zoo.fit, task, AmortisedNormal, steps=9, **settings)
    assert same(
        on(resume=loaded, objective=ELBOS[name]()), on(objective=ELBOS[name](), resume=None)
    )


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


def test_nothing_is_pickled(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("pickle was used")

    task = ppca_task()
    result = zoo.fit(task, AmortisedNormal, steps=2, patience=3, valid_every=1)
    for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    folder = zoo.save(result, tmp_path)
    zoo.load_fit(folder, task)
    (state,) = folder.glob("state-*.safetensors")
    assert {path.name for path in folder.iterdir()} == {"fit.json", state.name}
    assert json.loads((folder / "fit.json").read_text())["format"] == 4
    assert set(load_file(state)) > {"losses", "last/random"}
