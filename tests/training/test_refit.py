"""A refit has all settings of the fit that it repeats, but for the three that its page names."""

from dataclasses import fields

import pyro
import pyro.distributions as dist
import torch

import zoo
import zoo.training.refit
from guides import MeanField, PerDatum
from zoo.objectives import Trace
from zoo.optim.schedules import Linear
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.task import given
from zoo.training.launch import fit_one
from zoo.training.refit import fit_again

OTHERS = Settings(
    objective=Trace(3),
    steps=7,
    update=Update("rmsprop", 0.03, Linear(1.0, 0.1, 7), weight_decay=0.2, clip_norm=0.5),
    batch_size=4,
    seed=11,
    kl_weight=Linear(0.0, 1.0, 5),
    freeze_model=False,
    patience=None,
    valid_every=3,
    compile=False,
    until="converged",
    tolerance=0.2,
    average=False,
)
CHANGED = {"freeze_model", "patience"}
OF_NORMALS = {"dadvi"}  # which this guide is not


def model(x, scale=1.0):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, scale), obs=x)


def fitted(settings, guide=PerDatum):
    task = given(model, (torch.linspace(-1, 1, 6),))
    return fit_one(task, guide, settings, "cpu", {"scale": 0.5})


def asked(monkeypatch, result):
    """The settings and the keyword arguments that the refit asks `fit_one` for."""
    seen = []
    monkeypatch.setattr(
        zoo.training.refit, "fit_one", lambda task, guide, *rest, **_: seen.append((guide, *rest))
    )
    fit_again(result, result.task)
    return seen[0]


def test_every_setting_arrives(monkeypatch):
    """Each field differs from its default, so that a dropped one shows."""
    for kind, value in ((Settings, OTHERS), (Update, OTHERS.update)):
        for field in fields(kind):
            if field.name not in CHANGED | OF_NORMALS:
                assert getattr(value, field.name) != field.default, field.name
    result = fitted(OTHERS)
    guide, settings, device, kwargs = asked(monkeypatch, result)
    for field in fields(Settings):
        if field.name not in CHANGED:
            assert getattr(settings, field.name) == getattr(OTHERS, field.name), field.name
    assert settings.freeze_model
    assert settings.patience is None
    assert (guide, device, kwargs) == (PerDatum, "cpu", {"scale": 0.5})


def test_the_steps_are_those_taken_and_rows_those_there(monkeypatch):
    result = fitted(Settings(Trace(), 5, Update(), 6, 0))
    result.losses = result.losses[:3]  # as if it had been interrupted
    few = given(model, (torch.randn(2),))
    seen = []
    monkeypatch.setattr(zoo.training.refit, "fit_one", lambda *found, **_: seen.append(found))
    fit_again(result, few)
    assert (seen[0][2].steps, seen[0][2].batch_size) == (3, 2)


def test_a_refit_on_the_same_rows_is_the_fit():
    """Same seed, same settings, a model without parameters: the same losses."""
    settings = Settings(
        Trace(),
        20,
        Update("adam", 0.1, Linear(1.0, 0.0, 20), weight_decay=0.5, clip_norm=0.3),
        None,
        4,
        kl_weight=Linear(0.0, 1.0, 10),
    )
    result = fitted(settings)
    again = fit_again(result, result.task)
    assert torch.equal(again.losses, result.losses)


def test_a_guide_of_shared_latents_is_refitted_too():
    def shared(x, scale=1.0):
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, scale), obs=x)

    x = torch.linspace(-1, 1, 6)
    result = zoo.fit(shared, MeanField, x, steps=5, clip_norm=0.1, model_kwargs={"scale": 0.3})
    assert torch.equal(fit_again(result, result.task).losses, result.losses)


def with_a_statement(x):
    shift = pyro.param("shift", x.new_zeros(()))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(shift, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x)


def test_the_statements_of_the_model_are_held_at_their_trained_values():
    """The model's ``pyro.param`` would otherwise be held at the value it starts from."""
    task = given(with_a_statement, (torch.linspace(2, 4, 6),))
    result = fit_one(task, PerDatum, Settings(Trace(), 40, Update(lr=0.05), None, 0), "cpu", None)
    again = fit_again(result, task)
    assert result.program.store.names == again.program.store.names == ("shift",)
    assert float(result.program.store.values[0].detach()) > 0.5
    assert torch.equal(again.program.store.values[0], result.program.store.values[0])
