"""The name of a compiled loop: another for whatever changes its code, the same for the same."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from steps import a_capture

import zoo
from guides import MeanField
from zoo.compile.loop_key import loop_key
from zoo.compile.step_loop import rates_of
from zoo.optim.schedules import Cosine, Linear
from zoo.optim.update import Update

X = torch.linspace(-1.0, 2.0, 12)
LR = torch.tensor(0.01)
SHIFTS = (torch.zeros(12), torch.cat([torch.zeros(11), torch.ones(1)]))
FALLS = {"at": 300.0}


def model_of(sd=1.0, offset=0.0):
    """A model that holds a number and, if asked to, a tensor in its closure."""

    def model(x):
        mean = pyro.sample("mean", dist.Normal(0.0, sd))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean + offset, 1.0), obs=x)

    return model


def key(captured, update, lr=LR):
    return loop_key(captured, update, partial(rates_of, update), lr)


def falling(step):
    return (step < FALLS["at"]).to(step.dtype)


def test_whatever_changes_a_loop_changes_its_key():
    updates = [
        Update(),
        Update(optimizer="sgd"),
        Update(weight_decay=0.1),
        Update(clip_norm=1.0),
        Update(lr_schedule=Linear(1.0, 0.0, 1000)),
        Update(lr_schedule=Linear(1.0, 0.0, 1001)),
        Update(lr_schedule=Cosine(1000)),
    ]
    models = [model_of(1.0 + 1e-12), *(model_of(offset=shift) for shift in SHIFTS)]
    with a_capture(model_of(), MeanField, (X,)) as (captured, _, _):
        keys = [key(captured, update) for update in updates]
        keys.append(key(captured, Update(), LR.expand(2)))
        assert key(captured, Update(lr=0.5)) == keys[0]
    for model in models:
        with a_capture(model, MeanField, (X,)) as (captured, _, _):
            keys.append(key(captured, Update()))
    with a_capture(model_of(), MeanField, (X[:5],)) as (captured, _, _):
        keys.append(key(captured, Update()))
    with a_capture(model_of(), MeanField, (X + 1,)) as (captured, _, _):
        assert key(captured, Update()) == keys[0]
    assert len(set(keys)) == len(keys)


def test_a_schedule_counts_by_what_it_computes(monkeypatch):
    """The same function gives another loop once a number that it reads has changed."""
    update = Update(lr_schedule=falling)
    with a_capture(model_of(), MeanField, (X,)) as (captured, _, _):
        before = key(captured, update)
        assert key(captured, update) == before
        monkeypatch.setitem(FALLS, "at", 10.0)
        assert key(captured, update) != before


def test_a_schedule_that_reads_the_step_falls_back_to_the_plain_step():
    """Control flow that depends on the number of the step cannot be compiled."""
    schedule = lambda step: torch.tensor(1.0 if step < 4 else 0.1)  # noqa: E731
    fit = partial(zoo.fit, model_of(), MeanField, X, lr_schedule=schedule)
    with pytest.warns(UserWarning, match="compiled path is off"):
        assert fit(steps=5000).backend == "plain"
    with pytest.raises(zoo.CompileError, match="compile=True, but the compiler failed"):
        fit(steps=5, compile=True)
