"""Going on from a fit or a checkpoint: the same fit, or a refusal that names the difference."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceGraph_ELBO
from small_tasks import causes_task, ppca_task, regression
from steps import interpreted
from test_checkpoint import same

import zoo
from guides import AmortisedDiscrete, AmortisedFullRank, AmortisedNormal, MeanField
from zoo.objectives import Trace
from zoo.optim.schedules import Constant, Linear

TASK = ppca_task()
fit = partial(zoo.fit, TASK, AmortisedNormal, steps=30, batch_size=8)


@pytest.fixture
def uncompiled(monkeypatch):
    """What does not depend on the code generator goes without it."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)


OTHERS = {
    "lr": (0.5, "lr: saved 0.01, now 0.5"),
    "seed": (3, "seed: saved 0, now 3"),
    "objective": (Trace(2), "objective.particles: saved 1, now 2"),
    "optimizer": ("sgd", "optimizer: saved 'adam', now 'sgd'"),
    "batch_size": (9, "batch_size: saved 8, now 9"),
    "clip_norm": (1.0, "clip_norm: saved None, now 1.0"),
    "weight_decay": (0.1, "weight_decay: saved 0.0, now 0.1"),
    "lr_schedule": (Constant(0.5), "lr_schedule: saved None, now .*Constant"),
    "kl_weight": (Linear(0.0, 1.0, 9), "kl_weight: saved None, now .*Linear"),
    "freeze_model": (True, "freeze_model: saved False, now True"),
    "until": ("converged", "until: saved 'steps', now 'converged'"),
    "patience": (3, "patience: saved None, now 3"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_settings_are_refused(name, tmp_path):
    value, sentence = OTHERS[name]
    half = fit(steps=3, checkpoint=tmp_path / "run")
    for resume in (half, tmp_path / "run"):
        with pytest.raises(ValueError, match=sentence):
            fit(resume=resume, **{name: value})


def test_another_guide_model_or_data_is_refused():
    half = fit(steps=3)
    with pytest.raises(ValueError, match="guide.name: saved 'AmortisedNormal', now 'AmortisedF"):
        zoo.fit(TASK, AmortisedFullRank, steps=9, batch_size=8, resume=half)
    guide = partial(AmortisedNormal, fixed_scale=0.3)
    with pytest.raises(ValueError, match="guide.keywords"):
        zoo.fit(TASK, guide, steps=9, batch_size=8, resume=half)
    with pytest.raises(ValueError, match="model: saved 'ppca', now 'causes'"):
        zoo.fit(causes_task(), AmortisedNormal, steps=9, batch_size=8, resume=half)
    model, x, y = regression()
    own = zoo.fit(model, MeanField, x, y, steps=3)
    with pytest.raises(ValueError, match="data.hash: saved '[0-9a-f]*', now"):
        zoo.fit(model, MeanField, x + 1, y, steps=9, resume=own)


def test_replicas_go_on_as_replicas(tmp_path):
    half = fit(steps=3)
    with pytest.raises(ValueError, match="replicas go on from a list of fits, and one fit from"):
        fit(replicas=2, resume=half)
    several = fit(steps=3, replicas=2, checkpoint=tmp_path / "two")
    with pytest.raises(ValueError, match="has 2 replicas; got replicas=3. Pass replicas=2"):
        fit(replicas=3, resume=several)
    with pytest.raises(ValueError, match="holds 2 replicas; the call asks for one fit"):
        fit(resume=tmp_path / "two")
    further, whole = fit(replicas=2, resume=several), fit(replicas=2)
    assert all(same(*both) for both in zip(further, whole, strict=True))
    again = fit(replicas=2, resume=tmp_path / "two")
    assert all(same(*both) for both in zip(again, whole, strict=True))
    for replica, one in enumerate(several):
        assert same(zoo.load_fit(tmp_path / "two", TASK, replica=replica), one)
    with pytest.raises(ValueError, match="holds 2 replicas; got replica=None. Pass"):
        zoo.load_fit(tmp_path / "two", TASK)
    with pytest.raises(ValueError, match=r"holds replicas \[0, 1\]; got replica=2"):
        zoo.load_fit(tmp_path / "two", TASK, replica=2)


def test_another_precision_is_refused():
    half = fit(steps=3)
    torch.set_default_dtype(torch.float32)
    try:
        with pytest.raises(ValueError, match="in torch.float64; here it is in torch.float32"):
            zoo.fit(ppca_task(), AmortisedNormal, steps=9, batch_size=8, resume=half)
    finally:
        torch.set_default_dtype(torch.float64)


def coin(x):
    p = pyro.sample("p", dist.Bernoulli(0.5))
    pyro.sample("x", dist.Normal(p, 1.0).expand([len(x)]).to_event(1), obs=x)


def coin_guide(x):
    logit = pyro.param("logit", torch.zeros(()))
    average = {"baseline": {"use_decaying_avg_baseline": True}}
    pyro.sample("p", dist.Bernoulli(logits=logit), infer=average)


def test_averages_that_pyro_keeps_go_on(tmp_path):
    """In the parameter store: the baseline of TraceGraph_ELBO."""
    run = partial(zoo.fit, coin, coin_guide, torch.ones(3), lr=0.1)
    run(steps=7, objective=TraceGraph_ELBO(), checkpoint=tmp_path)
    on = run(steps=20, objective=TraceGraph_ELBO(), resume=tmp_path)
    assert same(on, run(steps=20, objective=TraceGraph_ELBO()))


def test_objectives_that_keep_an_average_go_on(tmp_path):
    task, settings = causes_task(), {"batch_size": 8}
    run = partial(zoo.fit, task, AmortisedDiscrete, objective="nvil", **settings)
    half = run(steps=7, checkpoint=tmp_path)
    assert same(run(steps=15, resume=tmp_path), run(steps=15, resume=half))
    assert same(run(steps=15, resume=half), run(steps=15))
