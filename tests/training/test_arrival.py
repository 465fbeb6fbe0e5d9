"""With its defaults, a fit ends at the best that its guide can do, or says that it did not."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoDelta, AutoDiagonalNormal, AutoMultivariateNormal, AutoNormal
from torch import nn

import zoo
from guides import IAF, FullRank, MeanField
from guides.parts.cholesky import cholesky_factor
from zoo.comparison.compare import compare
from zoo.isolation import isolated
from zoo.normals.placement import place_in
from zoo.normals.shortfall import Shortfall
from zoo.task import task_of
from zoo.training.settings import Request

X = torch.randn(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
NOISE = torch.randn(60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = 1.0 + X @ torch.tensor([2.0, -1.0], dtype=torch.float64) + 0.5 * NOISE
AUTOGUIDES = (AutoNormal, AutoDiagonalNormal, AutoMultivariateNormal)


def regression(x, y, unit=1.0, level=0.0):
    """Priors in the units of the data, which are `unit` times smaller and `level` higher."""
    a = pyro.sample("a", dist.Normal(level, 10.0))
    b = pyro.sample("b", dist.Normal(torch.zeros(x.shape[1]), 10.0 / unit).to_event(1))
    s = pyro.sample("s", dist.HalfNormal(2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal(a + x @ b, s), obs=y)


def known_noise(x, y):
    b = pyro.sample("b", dist.Normal(torch.zeros(x.shape[1]), 10.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal((x * b.unsqueeze(-2)).sum(-1), 0.5), obs=y)


def log_evidence(x, y):
    covariance = 100 * x @ x.mT + 0.25 * torch.eye(len(x))
    return float(dist.MultivariateNormal(torch.zeros(len(x)), covariance).log_prob(y))


def moments(guide, latents):
    """Means and sds of the unconstrained latents, of a guide of normals."""
    if isinstance(guide, MeanField):
        scales = torch.cat([scale.reshape(-1) for scale in guide.unconstrained_scale])
        return torch.cat([loc.reshape(-1) for loc in guide.loc]), nn.functional.softplus(scales)
    if isinstance(guide, FullRank):
        return guide.loc, cholesky_factor(guide.factor, len(guide.loc)).norm(dim=1)
    if isinstance(guide, AutoNormal):
        return tuple(
            torch.cat([getattr(part, name).reshape(-1) for name in latents])
            for part in (guide.locs, guide.scales)
        )
    if isinstance(guide, AutoDiagonalNormal):
        return guide.loc, guide.scale
    return guide.loc, (guide.scale[:, None] * guide.scale_tril).norm(dim=1)


@pytest.mark.parametrize("family", [MeanField, FullRank])
def test_units_change_nothing(family):
    """Predictors a thousand times as large, and a response ten thousand higher."""
    near = zoo.fit(regression, family, X, Y)
    far = zoo.fit(
        regression, family, 1000 * X, 1e4 + Y, model_kwargs={"unit": 1000.0, "level": 1e4}
    )
    assert near.stopped == far.stopped == "converged"
    assert near.convergence.elbo == pytest.approx(far.convergence.elbo, abs=0.05)
    (mean, sd), (mean_far, sd_far) = (moments(fit.guide, "abs") for fit in (near, far))
    units = torch.tensor([1.0, 1000.0, 1000.0, 1.0])
    levels = torch.tensor([1e4, 0.0, 0.0, 0.0])
    assert ((mean - (mean_far - levels) * units) / sd).abs().max() < 0.1
    assert (sd_far * units / sd - 1).abs().max() < 0.1


def test_full_rank_ends_at_the_exact_evidence():
    fit = zoo.fit(known_noise, FullRank, X, Y)
    assert fit.stopped == "converged"
    assert isinstance(fit.convergence, Shortfall)
    assert fit.convergence.answer(0.05) == "yes"
    assert zoo.evaluate(fit, metrics=["elbo"]).metrics["elbo"].value == pytest.approx(
        log_evidence(X, Y), abs=0.02
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_centred_hierarchy_starts_on_the_path_and_arrives(seed):
    """Its density is unbounded where all effects are equal and tau is 0."""
    fit = zoo.fit(zoo.load("eight_schools"), FullRank, seed=seed)
    assert fit.stopped == "converged"
    assert fit.convergence.elbo == pytest.approx(-32.58, abs=0.06)
    assert fit.evaluations > 1000
    assert any("L-BFGS" in note for note in fit.notes)


@pytest.mark.parametrize("family", AUTOGUIDES)
def test_pyro_s_own_normals_arrive_too(family):
    fit = zoo.fit(known_noise, family, X, Y)
    own = zoo.fit(known_noise, FullRank if family is AutoMultivariateNormal else MeanField, X, Y)
    assert fit.stopped == "converged"
    assert fit.convergence == own.convergence
    with isolated():
        found = moments(fit.guide, "b")
    torch.testing.assert_close(found, moments(own.guide, "b"))


@pytest.mark.thorough
def test_a_flow_starts_at_the_normal_and_ends_above_it():
    task = zoo.load("banana")
    fit, normal = zoo.fit(task, IAF, steps=4000, until="converged"), zoo.fit(task, FullRank)
    assert place_in(fit.guide).whole is False
    assert not torch.equal(fit.guide.frame_factor, torch.eye(2))
    assert isinstance(fit.convergence, Shortfall)
    assert fit.convergence.elbo > normal.convergence.elbo + 0.3
    assert fit.stopped == "finished" or fit.convergence.reached(fit.settings.tolerance)


def test_steps_go_on_as_they_were_asked_for():
    counted = zoo.fit(regression, MeanField, X, Y, steps=20)
    assert (counted.settings.until, counted.settings.dadvi) == ("steps", False)
    assert len(counted.losses) == 20
    assert not counted.notes
    rated = zoo.fit(regression, MeanField, X, Y, lr=0.02, steps=20, until="converged")
    assert not rated.settings.dadvi
    assert len(rated.losses) == 20


def test_points_take_steps_by_default():
    (settings,) = Request().settings(task_of(regression, (X, Y)), AutoDelta)
    assert (settings.until, settings.steps, settings.dadvi) == ("steps", 1000, False)


def test_another_objective_is_trained_by_steps():
    """It was chosen for its gradient, which DADVI does not take."""
    request = Request(objective="stl", until="converged")
    (settings,) = request.settings(zoo.load("eight_schools"), MeanField)
    assert (settings.until, settings.dadvi) == ("converged", False)
    fit = zoo.fit(known_noise, MeanField, X, Y, objective=Trace_ELBO(), optimizer="dadvi")
    assert fit.settings.dadvi
    assert fit.stopped == "converged"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lr": 0.1}, "Expected lr to be None, as DADVI takes no steps; got 0.1"),
        ({"objective": "iwae"}, "Expected objective to be one whose target is the ELBO"),
        ({"batch_size": 10}, "Expected batch_size to be None, as DADVI takes all rows; got 10"),
        ({"compile": True}, "Expected compile to be 'auto' or False"),
        ({"guide": IAF}, "Expected guide to be MeanField, FullRank or"),
        ({"patience": 3}, "Expected patience to be None"),
    ],
)
def test_what_dadvi_cannot_do_is_refused_by_name(settings, sentence):
    guide = settings.pop("guide", MeanField)
    with pytest.raises(ValueError, match=sentence):
        zoo.fit(regression, guide, X, Y, optimizer="dadvi", **settings)


def test_a_fit_that_ran_out_does_not_say_that_it_converged():
    fit = zoo.fit(zoo.load("eight_schools"), FullRank, until="converged", steps=3)
    assert fit.stopped == "finished"
    assert fit.convergence.answer(0.05) == "no"
    verdict = zoo.evaluate(fit, metrics=["elbo", "convergence"]).answers
    assert verdict.bound.answer == "no"


def test_it_is_saved_loaded_and_gone_on_from(tmp_path):
    fit = zoo.fit(known_noise, FullRank, X, Y)
    loaded = zoo.load_fit(zoo.save(fit, tmp_path / "fit"), known_noise, X, Y)
    assert loaded.convergence == fit.convergence
    assert (loaded.notes, loaded.evaluations) == (fit.notes, fit.evaluations)
    assert torch.equal(loaded.guide.loc, fit.guide.loc)
    again = zoo.fit(known_noise, FullRank, X, Y, resume=tmp_path / "fit")
    assert torch.equal(again.losses, fit.losses)


def test_a_hard_posterior_is_named_in_the_verdict(tmp_path):
    """Two modes of weight 1/3 and 2/3; a normal holds one, and its weights look good."""

    def two_modes():
        m = pyro.sample("m", dist.Normal(0.0, 10.0))
        far = dist.Normal(6.0, 0.5).log_prob(m) + math.log(2 / 3)
        near = dist.Normal(-6.0, 0.5).log_prob(m) + math.log(1 / 3)
        pyro.factor("modes", torch.logaddexp(far, near) - dist.Normal(0.0, 10.0).log_prob(m))

    fit = zoo.fit(two_modes, FullRank)
    assert [one.kind for one in fit.difficulties] == ["multimodal"]
    verdict = zoo.evaluate(fit, metrics=["elbo", "weights", "convergence"]).answers
    assert verdict.draws.answer != "yes"
    assert "multimodal: " in str(verdict)
    assert "'m'" in str(verdict)
    loaded = zoo.load_fit(zoo.save(fit, tmp_path / "fit"), two_modes)
    assert loaded.difficulties == fit.difficulties


def test_means_that_float32_cannot_hold_are_not_called_converged():
    """At a level of a million float32 numbers lie 0.06 apart, and the sd is 0.001."""

    def level(x):
        mean = pyro.sample("mean", dist.Normal(1e6, 100.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 0.01), obs=x)

    torch.set_default_dtype(torch.float32)
    try:
        x = 1e6 + torch.tensor([0.0625, 0.0, 0.0])
        with pytest.warns(UserWarning, match="rounds them by up to .* guide sds"):
            fit = zoo.fit(level, MeanField, x)
    finally:
        torch.set_default_dtype(torch.float64)
    assert fit.stopped == "finished"
    assert fit.convergence.move > 1


def test_replicas_arrive_one_by_one():
    fits = zoo.fit(known_noise, FullRank, X, Y, replicas=2, seed=5)
    assert [fit.settings.seed for fit in fits] == [5, 6]
    assert all(fit.stopped == "converged" and fit.settings.dadvi for fit in fits)


def test_a_comparison_takes_steps_unless_it_is_asked_to_converge():
    task = zoo.load("linear_regression")
    counted = compare(task, ["full_rank"], seeds=1, steps=5, draws=50)
    (fit,) = counted.fits.values()
    assert (fit.settings.until, len(fit.losses)) == ("steps", 5)
    arrived = compare(task, ["full_rank"], seeds=1, until="converged", draws=50)
    (fit,) = arrived.fits.values()
    assert fit.stopped == "converged"


def test_gradients_that_lead_nowhere_are_not_believed():
    """After round() all gradients are those of the prior, at which the guide seems to be best."""

    def rounded(y):
        n = pyro.sample("n", dist.Normal(5.0, 3.0)).round()
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(n, 0.5), obs=y)

    fit = zoo.fit(rounded, FullRank, 9 + 0.5 * NOISE[:20])
    assert fit.stopped == "finished"
    assert fit.convergence.unsmooth > 1
    assert "not smooth" in {one.kind for one in fit.difficulties}


def test_directions_too_flat_to_see_are_not_called_converged():
    """A mean-field guide of a random walk: the level is 3e-5 as steep as each coordinate."""
    seen = torch.tensor([3.5, 2.5])

    def walk():
        x = pyro.sample("x", dist.Normal(torch.zeros(100), 100.0).to_event(1))
        pyro.factor("steps", dist.Normal(0.0, 0.004).log_prob(x[..., 1:] - x[..., :-1]).sum(-1))
        with pyro.plate("seen", 2):
            pyro.sample("y", dist.Normal(x[..., ::50], 1.0), obs=seen)

    precision = torch.eye(100) / 100**2
    precision[::50, ::50] += torch.eye(2)
    steps = torch.eye(100)[1:] - torch.eye(100)[:-1]
    precision += steps.mT @ steps / 0.004**2
    weighted = torch.zeros(100)
    weighted[::50] = seen
    mean = torch.linalg.solve(precision, weighted)
    fit = zoo.fit(walk, MeanField)
    off = ((fit.guide.loc[0] - mean).abs() * precision.diagonal().sqrt()).max()
    assert fit.stopped == "finished" or off < 2 * fit.settings.tolerance


def test_a_hard_edge_is_refused_with_its_name():
    def edge(y):
        top = pyro.sample("top", dist.HalfNormal(10.0))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Uniform(0.0, top), obs=y)

    with pytest.raises(ValueError, match="'y'"):
        zoo.fit(edge, MeanField, 3 * torch.rand(30) + 1)


def test_an_interrupted_fit_goes_on_to_the_same_normal(monkeypatch):
    task, whole = zoo.load("eight_schools"), zoo.training.arrival.dadvi

    def cut(*args, **kwargs):
        yield next(whole(*args, **kwargs))
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo.training.arrival, "dadvi", cut)
    first = zoo.fit(task, FullRank)
    assert first.stopped == "interrupted"
    monkeypatch.undo()
    on, at_once = zoo.fit(task, FullRank, resume=first), zoo.fit(task, FullRank)
    assert on.stopped == at_once.stopped == "converged"
    assert torch.equal(on.losses, at_once.losses)
    assert on.convergence == at_once.convergence
