"""What each setting of a fit does, and which settings are refused."""

from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import ppca_task, regression

import zoo
from guides import AmortisedNormal, MeanField, PerDatum
from zoo.optim.natural import NATURAL
from zoo.optim.optimizers import OPTIMIZERS
from zoo.optim.schedules import Constant, Cosine, Drops, Exponential, Linear

IDENTITY = 1e-8


def moved(result, model):
    """Distance that all parameters moved from where MeanField and the model start."""
    start = torch.cat([model.log_noise[None], torch.zeros(2), torch.full((2,), -2.0)])
    end = torch.cat(
        [result.model.log_noise[None], result.guide.loc[0], result.guide.unconstrained_scale[0]]
    )
    return (end - start).norm().item()


def test_clip_norm_bounds_the_whole_gradient():
    model, x, y = regression()
    step = partial(zoo.fit, model, MeanField, x, y, steps=1, optimizer="sgd", lr=1e-3)
    free = moved(step(), model) / 1e-3
    assert moved(step(clip_norm=free / 2), model) / 1e-3 == pytest.approx(free / 2, rel=1e-4)
    assert moved(step(clip_norm=free * 2), model) / 1e-3 == pytest.approx(free, rel=1e-4)


def test_freeze_model_trains_the_guide_only():
    model, x, y = regression()
    result = zoo.fit(model, MeanField, x, y, steps=10, freeze_model=True)
    assert torch.equal(result.model.log_noise, model.log_noise)
    assert result.guide.loc[0].abs().min() > 0
    assert result.losses.mean() != result.losses[0]


def own_plate(x):
    """Rows under a plate that is not named data."""
    with pyro.plate("rows", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lr": 0.0}, "Expected lr to be a finite number above 0; got 0.0"),
        ({"lr": -1.0}, "Expected lr to be a finite number above 0; got -1.0"),
        ({"steps": 0}, "Expected steps to be a whole number above 0; got 0"),
        ({"batch_size": 0}, "Expected batch_size to be a whole number above 0; got 0"),
        (
            {"batch_size": 41},
            "from 1 to 40; got 41. There are 40 rows",
        ),
        ({"optimizer": "adm"}, "No optimizer named 'adm'. Did you mean 'adam'"),
        ({"objective": "trase"}, "No objective named 'trase'. Did you mean 'trace'"),
        ({"guide": PerDatum, "patience": 2}, "PerDatum has no parameters for them"),
    ],
)
def test_settings_that_make_no_sense(settings, sentence):
    settings = {"guide": AmortisedNormal, "steps": 5, **settings}
    with pytest.raises(ValueError, match=sentence):
        zoo.fit(ppca_task(), settings.pop("guide"), **settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(ValueError, match="Device 'cuda' asked for; torch finds no CUDA"):
        zoo.fit(ppca_task(), AmortisedNormal, steps=1, device="cuda")


def test_minibatches_need_the_plate_over_rows():
    x = torch.randn(12)
    assert len(zoo.fit(own_plate, MeanField, x, steps=2).losses) == 2
    with pytest.raises(ValueError, match="no plate named 'data'"):
        zoo.fit(own_plate, MeanField, x, steps=2, batch_size=4)


def test_validation_needs_held_out_rows():
    with pytest.raises(ValueError, match="No split 'valid' in data 'given'"):
        zoo.fit(own_plate, MeanField, torch.randn(12), steps=2, patience=1)


@pytest.mark.thin(6)
@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name not in NATURAL])
def test_every_optimizer_lowers_the_loss(optimizer):
    rate = {"sgd": 1e-4, "adagrad": 0.1}.get(optimizer, 1e-2)
    result = zoo.fit(ppca_task(), AmortisedNormal, steps=300, optimizer=optimizer, lr=rate)
    start, end = result.losses[:50], result.losses[-50:]
    error = (start.var() / 50 + end.var() / 50).sqrt()
    assert start.mean() - end.mean() > 5 * error


def test_kl_weight_zero_leaves_the_likelihood_alone():
    task = ppca_task()
    free = zoo.fit(task, AmortisedNormal, steps=1, kl_weight=Constant(0.0))
    full = zoo.fit(task, AmortisedNormal, steps=1, kl_weight=Constant(1.0))
    half = zoo.fit(task, AmortisedNormal, steps=1, kl_weight=Constant(0.5))
    plain = zoo.fit(task, AmortisedNormal, steps=1)
    assert full.losses.item() == pytest.approx(plain.losses.item(), rel=IDENTITY)
    middle = (free.losses + full.losses).item() / 2
    assert half.losses.item() == pytest.approx(middle, rel=IDENTITY)
    assert free.losses.item() != full.losses.item()


def test_validation_reads_schedules_at_the_last_step():
    """Under a KL warm-up the first losses are the lowest; the bound is what counts."""
    asked = {"steps": 20, "lr": 1e-12, "patience": 9, "valid_every": 5}
    plain = zoo.fit(ppca_task(), AmortisedNormal, **asked)
    warm = zoo.fit(ppca_task(), AmortisedNormal, kl_weight=Linear(0.0, 1.0, 20), **asked)
    assert [step for step, _ in warm.valid] == [5, 10, 15, 20]
    assert dict(warm.valid) == pytest.approx(dict(plain.valid), rel=IDENTITY)


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Constant(0.3), {0: 0.3, 99: 0.3}),
        (Linear(0.0, 2.0, 10), {0: 0.0, 5: 1.0, 10: 2.0, 50: 2.0}),
        (Linear(1.0, 0.2, 8), {0: 1.0, 4: 0.6, 8: 0.2}),
        (Exponential(1.0, 0.1, 0.5), {0: 1.0, 1: np.exp(-0.1), 6: np.exp(-0.6), 7: 0.5}),
        (Cosine(10), {0: 1.0, 5: 0.5, 10: 0.0, 20: 0.0}),
        (Drops((3, 5), 0.1), {0: 1.0, 2: 1.0, 3: 0.1, 4: 0.1, 5: 0.01, 9: 0.01}),
        (Drops((), 0.1), {0: 1.0, 9: 1.0}),
    ],
)
def test_schedules(schedule, values):
    for step, value in values.items():
        found = schedule(torch.tensor(float(step)))
        assert found.shape == ()
        assert found.item() == pytest.approx(value, rel=IDENTITY, abs=IDENTITY)


def test_lr_schedule_scales_the_step():
    model, x, y = regression()
    step = partial(zoo.fit, model, MeanField, x, y, optimizer="sgd", lr=1e-3)
    whole = moved(step(steps=1), model)
    assert moved(step(steps=1, lr_schedule=Constant(0.5)), model) == pytest.approx(
        whole / 2, rel=IDENTITY
    )
    halted = step(steps=5, lr_schedule=Drops((1,), 0.0))
    assert moved(halted, model) == pytest.approx(whole, rel=IDENTITY)
