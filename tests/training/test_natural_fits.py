"""IVON in fits: plain, captured, resumed, and what it refuses."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import pytest
import torch
from normal_posterior import MEAN, PRECISION, close, loss_of, precision_of, target_of
from steps import interpreted

import guides
import zoo
from zoo.objectives import Objective
from zoo.optim.natural import NATURAL, NormalParameters, Places
from zoo.optim.scales import factor_size
from zoo.optim.schedules import Cosine


@dataclass(frozen=True)
class Exactly(Objective):
    """Minus the ELBO under a normal posterior of three values, without noise."""

    def loss(self, pair, state, args, kwargs):
        loc, numbers = pair.guide.parameters()
        correlated = len(numbers) > len(loc)
        return loss_of(loc, numbers, PRECISION, correlated=correlated)


def model():
    pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))


def fitted(guide, **settings):
    given = {"objective": Exactly(), "optimizer": "ivon", "until": "steps", "compile": False}
    return zoo.fit(model, guide, **given | settings)


def vector(fit):
    parameters = fit.guide.parameters()
    return torch.cat([p.detach().reshape(-1) for p in parameters])


@pytest.mark.parametrize("guide", ["mean_field", "full_rank"])
def test_a_fit_ends_at_the_best_normal(guide):
    fit = fitted(guide, steps=800, lr=0.2)
    loc, numbers = fit.guide.parameters()
    pair = NormalParameters(loc, numbers, guide == "full_rank")
    assert close(loc.detach(), MEAN)
    assert close(precision_of(pair), target_of(correlated=pair.correlated))


@pytest.mark.parametrize("guide", ["mean_field", "full_rank"])
@pytest.mark.parametrize(
    "settings", [{}, {"clip_norm": 1.0}, {"lr_schedule": Cosine(30)}, {"replicas": 2}], ids=str
)
def test_captured_steps_are_the_plain_ones(guide, settings, monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    settings = {"steps": 30, "lr": 0.1, **settings}
    compiled = fitted(guide, **settings | {"compile": True})
    plain = fitted(guide, **settings)
    if "replicas" not in settings:
        compiled, plain = [compiled], [plain]
    for one, other in zip(compiled, plain, strict=True):
        assert (one.backend, other.backend) == ("compiled", "plain")
        assert close(one.losses, other.losses)
        assert close(vector(one), vector(other))


def test_replicas_have_rates_of_their_own(monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    for guide in ("mean_field", "full_rank"):
        both = fitted(guide, steps=20, lr=[0.05, 0.2], replicas=2, compile=True)
        for one, lr in zip(both, (0.05, 0.2), strict=True):
            assert close(vector(one), vector(fitted(guide, steps=20, lr=lr)))


@pytest.mark.parametrize(
    "guide", ["mean_field", pytest.param("full_rank", marks=pytest.mark.thorough)]
)
def test_a_compiled_loop_takes_the_plain_steps(guide):
    compiled = fitted(guide, steps=40, lr=0.1, compile=True)
    assert compiled.backend == "compiled"
    assert close(vector(compiled), vector(fitted(guide, steps=40, lr=0.1)))


@pytest.mark.parametrize("compile", [False, True])
def test_a_fit_goes_on_from_a_checkpoint(compile, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    settings = {"lr": 0.1, "compile": compile}
    whole = fitted("full_rank", steps=25, **settings)
    fitted("full_rank", steps=10, checkpoint=tmp_path, **settings)
    again = fitted("full_rank", steps=25, resume=tmp_path, **settings)
    assert torch.equal(vector(again), vector(whole))
    plainly = fitted("full_rank", steps=25, lr=0.1, resume=fitted("full_rank", steps=10, lr=0.1))
    assert close(vector(plainly), vector(whole))


@pytest.mark.parametrize("guide", ["mean_field", "full_rank"])
def test_draws_lead_it_down_too(guide):
    fit = zoo.fit(zoo.load("logistic_regression"), guide, optimizer="ivon", steps=300, lr=0.01)
    start, end = fit.losses[:50], fit.losses[-50:]
    error = (start.var() / 50 + end.var() / 50).sqrt()
    assert start.mean() - end.mean() > 5 * error


def with_spread(x):
    spread = pyro.param("spread", torch.tensor(1.0), dist.constraints.positive)
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, spread), obs=x)


@pytest.mark.parametrize(
    ("task", "guide", "settings", "sentence"),
    [
        ("eight_schools", "iaf", {}, r"'guide\.\S+' of shape \S+ is none that the guide"),
        ("ppca", "amortised_normal", {}, r"full_rank, or optimizer='adam'|freeze_model=True"),
        (with_spread, "mean_field", {}, "a parameter of the model. Hold it by freeze_model=True"),
        ("eight_schools", "mean_field", {"weight_decay": 0.1}, "Expected weight_decay to be 0.0"),
        ("eight_schools", "mean_field", {"lr": 1.5}, "Expected lr to be at most 1"),
    ],
)
def test_what_it_cannot_do_is_refused(task, guide, settings, sentence):
    task = (zoo.load(task),) if isinstance(task, str) else (task,)
    args = (torch.randn(9),) if task[0] is with_spread else ()
    with pytest.raises(ValueError, match=sentence):
        zoo.fit(task[0], guide, *args, optimizer="ivon", steps=3, **settings)


def test_the_way_out_is_one():
    fit = zoo.fit(
        with_spread, "mean_field", torch.randn(9), optimizer="ivon", steps=3, freeze_model=True
    )
    assert len(fit.losses) == 3


def test_a_parameter_made_on_the_way_is_refused():
    """It is met at the second step, when the optimizer has its normals already."""
    runs = []

    def late(x):
        runs.append(1)
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        if len(runs) > 40:
            mean = mean + pyro.param("late", torch.tensor(0.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 1.0), obs=x)

    with pytest.raises(ValueError, match="a parameter of the model|none that the guide"):
        zoo.fit(late, "mean_field", torch.randn(9), optimizer="ivon", steps=60, compile=False)


def test_every_place_is_of_a_stated_normal():
    """What the program finds is what the guide states, by place; a part of it is none."""
    for guide, correlated in ((guides.MeanField, False), (guides.FullRank, True)):
        fit = zoo.fit(model, guide, steps=1, optimizer="adam", until="steps")
        loc, scale = fit.guide.parameters()
        assert fit.program.places_of_normals([scale, loc]) == (Places(1, 0, correlated),)
        assert fit.program.places_of_normals([scale]) == ()
    assert factor_size(3) == scale.numel()
    assert set(NATURAL) == {"ivon"}
