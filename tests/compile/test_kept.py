"""A second fit of the same program starts from the first one's capture, and no other fit does."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from steps import a_capture, interpreted

import zoo
from guides import MeanField
from zoo.compile import kept
from zoo.compile.loop_key import loop_key
from zoo.compile.step_loop import rates_of
from zoo.objectives import Trace
from zoo.optim.schedules import Cosine, Linear
from zoo.optim.update import Update

X = torch.linspace(-1.0, 2.0, 12)
LR = torch.tensor(0.01)


def model_of(sd=1.0, offset=0.0):
    """A model that holds a number and, if asked to, a tensor in its closure."""

    def model(x):
        mean = pyro.sample("mean", dist.Normal(0.0, sd))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean + offset, 1.0), obs=x)

    return model


@pytest.fixture
def uncompiled(monkeypatch):
    """What does not depend on the code generator goes without it."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)


@pytest.fixture
def traces(monkeypatch):
    """How many steps are traced."""
    import zoo.compile.capture as module

    seen, trace = [], module._trace
    monkeypatch.setattr(module, "_trace", lambda *a: (seen.append(a), trace(*a))[1])
    return seen


def fit(model, x=X, **settings):
    return zoo.fit(model, MeanField, x, **{"steps": 7, "compile": True, "seed": 3} | settings)


def test_a_second_fit_takes_the_same_steps_without_a_trace(uncompiled, traces):
    first = fit(model_of())
    again = fit(model_of())
    assert len(traces) == 1
    assert torch.equal(first.losses, again.losses)
    kept.forget()
    assert torch.equal(fit(model_of()).losses, first.losses)
    assert len(traces) == 2


def test_other_data_of_the_same_shape_take_the_kept_step(uncompiled, traces):
    fit(model_of())
    other = fit(model_of(), X + 1, seed=4, lr=0.3)
    assert len(traces) == 1
    kept.forget()
    assert torch.equal(fit(model_of(), X + 1, seed=4, lr=0.3).losses, other.losses)


class OfAClass(pyro.nn.PyroModule):
    sd = 1.0

    def forward(self, x):
        mean = pyro.sample("mean", dist.Normal(0.0, self.sd))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


class OfAnother(OfAClass):
    sd = 1.0 + 1e-12


WARM_UPS = ({"kl_weight": Linear(0.0, 1.0, 1000)}, {"kl_weight": Linear(0.0, 1.0, 1001)})
CHANGES = {
    "a number in the closure": ((model_of(1.0), {}), (model_of(1.0 + 1e-12), {})),
    "a tensor of one number": (
        (model_of(offset=torch.tensor(1.0)), {}),
        (model_of(offset=torch.tensor(1.0 + 1e-12)), {}),
    ),
    "a number of the class": ((OfAClass(), {}), (OfAnother(), {})),
    "a schedule": ((model_of(), WARM_UPS[0]), (model_of(), WARM_UPS[1])),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_smallest_change_is_traced_anew(what, uncompiled, traces):
    (before, settings), (after, others) = CHANGES[what]
    fit(before, **settings)
    found = fit(after, **others)
    assert len(traces) == 2
    kept.forget()
    assert torch.equal(fit(after, **others).losses, found.losses)


def test_other_particles_and_other_rows_are_traced_anew(uncompiled, traces):
    for settings in ({}, {"objective": Trace(2)}, {"objective": Trace(3)}):
        fit(model_of(), **settings)
    fit(model_of(), X[:5])
    assert len(traces) == 4


def test_data_in_a_closure_are_never_taken_for_others(uncompiled, traces):
    """A capture holds them as a constant, and a minibatch would show a few of them."""
    one, other = torch.zeros(12), torch.cat([torch.zeros(11), torch.ones(1)])
    fit(model_of(offset=one))
    found = fit(model_of(offset=other))
    assert len(traces) == 2
    kept.forget()
    assert torch.equal(fit(model_of(offset=other)).losses, found.losses)


def test_a_kept_step_that_is_not_the_plain_one_is_traced_anew(uncompiled, traces, monkeypatch):
    """Whatever the key does not see: here, all of it."""
    monkeypatch.setattr(kept, "structure_of", lambda *_: "the same for all")
    fit(model_of(1.0))
    found = fit(model_of(1.1))
    assert len(traces) == 2
    kept.forget()
    assert torch.equal(fit(model_of(1.1)).losses, found.losses)


def test_the_one_not_used_for_longest_goes(uncompiled, traces, monkeypatch):
    monkeypatch.setattr(kept, "MOST", 2)
    for sd in (1.0, 2.0, 1.0, 3.0, 1.0, 2.0):
        fit(model_of(sd))
    assert len(traces) == 4  # 1, 2, 3, and 2 again


def test_the_loop_is_kept_with_its_step(monkeypatch):
    made = []

    def counted(*args):
        made.append(args)
        return interpreted(*args)

    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", counted)
    for settings in ({}, {"lr": 0.5}, {"seed": 8}, {"optimizer": "sgd"}, {"optimizer": "sgd"}):
        fit(model_of(), **settings)
    assert len(made) == 2


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

    def key(captured, update, lr=LR):
        return loop_key(captured, update, partial(rates_of, update), lr)

    shifts = (torch.zeros(12), torch.cat([torch.zeros(11), torch.ones(1)]))
    models = [model_of(), model_of(2.0), *(model_of(offset=shift) for shift in shifts)]
    with a_capture(model_of(), MeanField, (X,)) as (captured, _, _):
        keys = [key(captured, update) for update in updates]
        keys.append(key(captured, Update(), LR.expand(2)))
        assert key(captured, Update(lr=0.5)) == keys[0]
    for model in models[1:]:
        with a_capture(model, MeanField, (X,)) as (captured, _, _):
            keys.append(key(captured, Update()))
    with a_capture(model_of(), MeanField, (X + 1,)) as (captured, _, _):
        assert key(captured, Update()) == keys[0]
    assert len(set(keys)) == len(keys)
