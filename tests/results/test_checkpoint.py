"""A saved fit comes back whole: the same parameters, metrics, and numbers when it goes on."""

import json
import pickle
from functools import partial

import pytest
import torch
from pyro.infer import (
    RenyiELBO,
    ReweightedWakeSleep,
    Trace_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
)
from safetensors.torch import load_file
from small_tasks import causes_task, ppca_task, regression

import zoo
from guides import AmortisedDiscrete, AmortisedNormal, Empty, MeanField, PerDatum, Relaxed
from zoo.objectives import DecayingAverage, Enumerate, Neural, Renyi, TraceGraph
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


def test_another_guide_is_refused(tmp_path):
    task = ppca_task()
    folder = zoo.save(zoo.fit(task, AmortisedNormal, steps=2), tmp_path)
    with pytest.raises(ValueError, match="guide"):
        zoo.load_fit(folder, task, guide=PerDatum)


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
