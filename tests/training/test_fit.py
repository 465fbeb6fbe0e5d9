"""The training loop: reproducible, isolated, resumable, and honest about where it stopped."""

import random
from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import causes_task, ppca_task, regression

import zoo
from guides import AmortisedDiscrete, AmortisedNormal, MeanField, PerDatum, Relaxed
from zoo.data.batches import Shuffle
from zoo.objectives import DecayingAverage, Neural, TraceGraph
from zoo.optim.schedules import Cosine, Exponential, Linear

CASES = {
    "all rows": (ppca_task, AmortisedNormal, {}),
    "minibatches": (ppca_task, AmortisedNormal, {"batch_size": 16}),
    "lr_schedule": (ppca_task, AmortisedNormal, {"lr_schedule": Cosine(30)}),
    "kl_weight": (ppca_task, AmortisedNormal, {"kl_weight": Linear(0.0, 1.0, 30)}),
    "momentum": (ppca_task, AmortisedNormal, {"optimizer": "adamw", "weight_decay": 0.1}),
    "rows of their own": (ppca_task, PerDatum, {"batch_size": 16}),
    "validation": (ppca_task, AmortisedNormal, {"patience": 99, "valid_every": 5}),
    "temperature": (causes_task, partial(Relaxed, temperature=Exponential(1.0, 0.01)), {}),
    "baselines": (
        causes_task,
        AmortisedDiscrete,
        {"objective": TraceGraph(baselines=(DecayingAverage(), Neural((4,)))), "batch_size": 8},
    ),
}


def same(first, second):
    """Equal bit for bit, in every number that training produces."""
    states = first.program.state_dict(), second.program.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert torch.equal(first.losses, second.losses)
    assert first.valid == second.valid
    assert first.last["step"] == second.last["step"] == len(first.losses)
    assert torch.equal(first.last["random"], second.last["random"])
    for name, value in first.last["program"].items():
        assert torch.equal(value, second.last["program"][name])
    return True


def differ(first, second):
    return not torch.equal(first.losses, second.losses)


@pytest.mark.thin(6)
@pytest.mark.parametrize("case", CASES)
def test_the_seed_fixes_everything(case):
    make, guide, settings = CASES[case]
    once = zoo.fit(make(), guide, steps=20, seed=3, **settings)
    torch.randn(5)
    assert same(once, zoo.fit(make(), guide, steps=20, seed=3, **settings))
    assert differ(once, zoo.fit(make(), guide, steps=20, seed=4, **settings))


@pytest.mark.thin(4)
@pytest.mark.parametrize("case", CASES)
def test_a_resumed_fit_equals_an_uninterrupted_one(case):
    make, guide, settings = CASES[case]
    whole = zoo.fit(make(), guide, steps=30, **settings)
    half = zoo.fit(make(), guide, steps=13, **settings)
    assert same(zoo.fit(make(), guide, steps=30, resume=half, **settings), whole)


def test_resuming_leaves_the_earlier_fit_alone():
    task = ppca_task()
    half = zoo.fit(task, AmortisedNormal, steps=10, patience=9, valid_every=5)
    again = zoo.fit(task, AmortisedNormal, steps=10, patience=9, valid_every=5)
    zoo.fit(task, AmortisedNormal, steps=20, resume=half, patience=9, valid_every=5)
    assert same(half, again)


def test_resuming_needs_steps_beyond_those_taken():
    task = ppca_task()
    half = zoo.fit(task, AmortisedNormal, steps=10)
    with pytest.raises(ValueError, match="steps beyond the 10 already taken; got 10"):
        zoo.fit(task, AmortisedNormal, steps=10, resume=half)


def test_what_was_passed_in_is_untouched():
    model, x, y = regression()
    guide = MeanField(zoo.describe(model, x, y))
    before = [{k: v.clone() for k, v in part.state_dict().items()} for part in (model, guide)]
    result = zoo.fit(model, guide, x, y, steps=10)
    for part, state in zip((model, guide), before, strict=True):
        assert all(torch.equal(value, state[k]) for k, value in part.state_dict().items())
        assert all(parameter.grad is None for parameter in part.parameters())
        assert part.training
    assert not torch.equal(result.model.log_noise, model.log_noise)
    assert not torch.equal(result.guide.loc[0], guide.loc[0])


def globals_of_the_process():
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),
        "python": random.getstate(),
        "store": list(pyro.get_param_store().keys()),
        "validation": pyro.infer.util.is_validation_enabled(),
        "torch validation": torch.distributions.Distribution._validate_args,
        "settings": pyro.settings.get(),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
    }


def poisoned_task():
    """One row is not a number: the step that draws it is the first to diverge, by site x alone."""
    task = ppca_task()
    task.data.train[0][7, 0] = torch.inf
    return task


def interrupted(steps, at, resume=None):
    """A fit whose model raises Ctrl-C from inside, in its `at`-th call of training."""
    calls = []

    def model(x):
        if torch.is_grad_enabled():  # the runs before training are without gradients
            calls.append(None)
        if len(calls) == at:
            raise KeyboardInterrupt
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 1.0), obs=x)

    return zoo.fit(model, MeanField, torch.linspace(0, 2, 6), steps=steps, resume=resume)


@pytest.mark.parametrize("ending", ["finished", "diverged", "refused", "interrupted"])
def test_the_process_is_as_it_was(ending):
    pyro.param("mine", torch.ones(()))
    task, poisoned = ppca_task(), poisoned_task()
    before = globals_of_the_process()
    if ending == "finished":
        zoo.fit(task, AmortisedNormal, steps=5, batch_size=8)
    elif ending == "diverged":
        with pytest.raises(zoo.DivergenceError):
            zoo.fit(poisoned, PerDatum, steps=5)
    elif ending == "refused":
        with pytest.raises(zoo.PairingError):
            zoo.fit(task, MeanField, steps=5)
    else:
        assert interrupted(20, 9).stopped == "interrupted"
    assert globals_of_the_process() == before
    pyro.clear_param_store()


def test_early_stopping_keeps_the_best_state_and_the_last():
    task, patience = ppca_task(rows=6, features=5, latent=4), 3
    settings = {"lr": 0.05, "seed": 2}
    stopped = zoo.fit(
        task, AmortisedNormal, steps=2000, patience=patience, valid_every=10, **settings
    )
    assert stopped.stopped == "early"
    taken = [step for step, _ in stopped.valid]
    losses = [loss for _, loss in stopped.valid]
    assert taken == list(range(10, len(stopped.losses) + 1, 10))
    assert len(losses) - 1 - losses.index(min(losses)) == patience
    best = zoo.fit(task, AmortisedNormal, steps=taken[losses.index(min(losses))], **settings)
    last = zoo.fit(task, AmortisedNormal, steps=taken[-1], **settings)
    for name, value in stopped.program.state_dict().items():
        assert torch.equal(value, best.program.state_dict()[name])
        assert torch.equal(stopped.last["program"][name], last.program.state_dict()[name])
    assert torch.equal(stopped.losses, last.losses)


@pytest.mark.parametrize("at", [1, 2, 7, 20])
def test_an_interrupt_returns_what_was_reached(at):
    result = interrupted(50, at)
    reached = len(result.losses)
    assert result.stopped == "interrupted"
    assert reached < 50
    assert result.last["step"] == reached
    if reached:
        assert same(result, interrupted(reached, at=None))


def test_an_interrupted_fit_goes_on():
    broken, whole = interrupted(50, at=20), interrupted(50, at=None)
    assert 0 < len(broken.losses) < 50
    assert same(interrupted(50, at=None, resume=broken), whole)


def first_step_with(row, order):
    return next(step for step in range(100) if row in order.block(step, 1))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_divergence_names_the_step_and_the_site(seed):
    task = poisoned_task()
    step = first_step_with(7, Shuffle(40, 4, seed))
    with pytest.raises(zoo.DivergenceError, match=rf"at step {step}: .* at 'x'\.") as caught:
        zoo.fit(task, PerDatum, steps=30, batch_size=4, seed=seed)
    assert (caught.value.step, caught.value.sites) == (step, ("x",))
    kept = caught.value.fit
    assert kept.stopped == "diverged"
    assert len(kept.losses) == kept.last["step"] == step
    if step:
        assert same(kept, zoo.fit(task, PerDatum, steps=step, batch_size=4, seed=seed))


def test_a_diverged_fit_is_finite():
    with pytest.raises(zoo.DivergenceError) as caught:
        zoo.fit(ppca_task(), AmortisedNormal, steps=300, optimizer="sgd", lr=1e3)
    kept = caught.value.fit
    assert all(value.isfinite().all() for value in kept.program.state_dict().values())
    assert all(value.isfinite().all() for value in kept.last["program"].values())
    assert kept.losses.isfinite().all()
    assert len(kept.losses) == kept.last["step"] <= caught.value.step


def broken_gradient(x):
    """A finite loss whose gradient is not a number: sqrt at 0, times 0."""
    shift = pyro.param("shift", torch.zeros(()))
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    pyro.sample("x", dist.Normal(mean + 0 * shift.abs().sqrt(), 1.0), obs=x)


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_a_gradient_that_is_not_finite_is_a_divergence(steps):
    with pytest.raises(zoo.DivergenceError, match="loss or its gradient is not finite at step 0"):
        zoo.fit(broken_gradient, MeanField, torch.ones(()), steps=steps)
