"""The evaluation harness against exact answers, and the honesty of its standard errors."""

import math
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoNormal
from small_tasks import (
    best_diagonal_guide,
    exact_guide,
    fitted_ppca_task,
    ppca_task,
)
from torch import nn

import zoo
from guides import (
    AmortisedFullRank,
    FullRank,
    MeanField,
    PerDatum,
)
from zoo.evaluation.evaluate import QUICKEST
from zoo.sampling import importance_weights as log_weights
from zoo.sampling.importance_weights import weight_chunks

IDENTITY = 1e-8


BOUNDS = ("elbo", "iwae_10", "iwae_100", "log_evidence")


def evaluate(result, metrics=QUICKEST, **settings):
    """The metrics of the weights, of exact evidence and of exact moments."""
    return zoo.evaluate(result, metrics=metrics, **settings)


def untrained(task, guide):
    """A fit whose one step moves nothing: the guide as it was built."""
    return zoo.fit(task, guide, steps=1, lr=1e-30)


@pytest.fixture
def exact():
    task = fitted_ppca_task()
    return untrained(task, exact_guide(task))


@pytest.fixture
def diagonal():
    task = fitted_ppca_task()
    return untrained(task, best_diagonal_guide(task))


def evidence(result, split="test"):
    with torch.no_grad():
        return result.model.log_evidence(*result.task.split(split))


def test_every_weight_of_the_exact_guide_is_the_evidence(exact):
    (x,) = exact.task.split("test")
    with torch.no_grad():
        log_w = torch.cat(list(weight_chunks(exact.program, (x,), 50)), dim=1)
    truth = evidence(exact).expand(50, -1)
    torch.testing.assert_close(log_w, truth, rtol=IDENTITY, atol=IDENTITY)


def test_the_exact_guide_leaves_nothing_to_report(exact):
    found = evaluate(exact)
    truth = evidence(exact).mean().item()
    assert (found.split, found.rows, found.draws) == ("test", 30, 1000)
    for name in (*BOUNDS, "exact_log_evidence"):
        assert found[name].value == pytest.approx(truth, rel=IDENTITY)
        assert found[name].unit == "nats/row"
    assert found["gap"].value == pytest.approx(0, abs=IDENTITY * abs(truth))
    assert found["ess"].value == pytest.approx(1000, rel=IDENTITY)
    assert found["k_hat"].value < 0.5
    assert found["k_hat_share"].value == 0
    for name in ("posterior_mean_error", "posterior_sd_error"):
        assert found[name].value <= 5 * found[name].se
    assert {one["answer"] for one in found.answers.questions.values()} == {"yes"}


def test_the_best_diagonal_guide_loses_what_it_must(diagonal):
    found = evaluate(diagonal)
    (x,) = diagonal.task.split("test")
    gap = diagonal.model.mean_field_gap(x).mean().item()
    assert gap > 50 * found["gap"].se
    assert abs(found["gap"].value - gap) < 5 * found["gap"].se
    assert found["gap"].se == found["elbo"].se


def test_bounds_are_ordered_and_the_evidence_is_found(diagonal):
    found = evaluate(diagonal)
    truth = found["exact_log_evidence"].value
    assert truth == pytest.approx(evidence(diagonal).mean().item(), rel=IDENTITY)
    assert found["exact_log_evidence"].se == 0
    elbo, ten, hundred, estimate = (found[name] for name in BOUNDS)
    assert elbo.value + 5 * elbo.se < ten.value - 5 * ten.se
    assert ten.value + 5 * ten.se < hundred.value
    assert hundred.value - 5 * hundred.se < truth
    assert abs(estimate.value - truth) < 5 * estimate.se


def test_a_wrong_guide_is_found_out():
    task = fitted_ppca_task()
    good = evaluate(untrained(task, exact_guide(task)))
    body = nn.Sequential(
        nn.Linear(task.data.features, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
    )
    poor = evaluate(untrained(task, partial(AmortisedFullRank, body=body)))
    assert poor["elbo"].value < good["elbo"].value - 1
    assert poor["k_hat"].value > 0.7
    assert poor["k_hat_share"].value > 0.9
    assert poor["ess"].value < 100
    for name in ("posterior_mean_error", "posterior_sd_error"):
        assert poor[name].value > good[name].value + 5 * (poor[name].se + good[name].se)
    assert poor.answers.weights.answer == poor.answers.draws.answer == "no"


def test_the_seed_fixes_the_metrics(diagonal):
    once, twice, other = (evaluate(diagonal, draws=50, seed=s) for s in (1, 1, 2))
    assert dict(once) == dict(twice)
    assert once["elbo"].value != other["elbo"].value


def test_evaluating_leaves_everything_alone(diagonal):
    random, state = torch.get_rng_state(), diagonal.program.state_dict()
    before = {name: value.clone() for name, value in state.items()}
    evaluate(diagonal, draws=20)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in state.items())


@pytest.mark.thorough
@pytest.mark.parametrize("budget", [1, 64, 2**10])
def test_memory_is_bounded(budget, diagonal, monkeypatch):
    (x,) = diagonal.task.split("test")
    whole = evaluate(diagonal, draws=100)
    widths = []

    def recorded(count, rows):
        widths.append(count * rows)

    draw = log_weights._weights
    monkeypatch.setattr(log_weights, "MOST_WEIGHTS_AT_ONCE", budget)
    monkeypatch.setattr(
        log_weights,
        "_weights",
        lambda pair, args, kwargs, count, total: (
            recorded(count, len(args[0])) or draw(pair, args, kwargs, count, total)
        ),
    )
    chunks = list(weight_chunks(diagonal.program, (x,), 100))
    assert max(widths) <= budget
    assert sum(widths) == 100 * len(x)
    assert all(len(chunk) == 100 and chunk.numel() <= max(budget, 100) for chunk in chunks)
    assert sum(chunk.shape[1] for chunk in chunks) == len(x)
    parts = evaluate(diagonal, draws=100, seed=1)
    for name in BOUNDS[:2]:
        error = math.hypot(whole[name].se, parts[name].se)
        assert abs(whole[name].value - parts[name].value) < 5 * error
    assert parts["exact_log_evidence"] == whole["exact_log_evidence"]


def test_chunks_keep_each_rows_own_parameters(monkeypatch):
    result = zoo.fit(ppca_task(), PerDatum, steps=400, lr=0.05)
    whole = evaluate(result, split="train", draws=200)
    monkeypatch.setattr(log_weights, "MOST_WEIGHTS_AT_ONCE", 200 * 7)
    parts = evaluate(result, split="train", draws=200, seed=1)
    for name in BOUNDS[:2]:
        error = math.hypot(whole[name].se, parts[name].se)
        assert abs(whole[name].value - parts[name].value) < 5 * error


def test_rows_that_were_not_trained_on_are_fitted_first():
    result = zoo.fit(ppca_task(), PerDatum, steps=300, lr=0.05, batch_size=20)
    train, test = evaluate(result, split="train"), evaluate(result)
    assert (train.split, train.rows, train["elbo"].note) == ("train", 40, "")
    assert (test.split, test.rows) == ("test", 30)
    assert test["elbo"].note == "row parameters fitted to the test rows for 300 steps"
    assert test["exact_log_evidence"].value == pytest.approx(
        evidence(result).mean().item(), rel=IDENTITY
    )
    assert -5 * test["gap"].se < test["gap"].value < train["gap"].value + 1


def test_only_what_is_asked_for(diagonal):
    found = evaluate(diagonal, metrics=["gap", "k_hat"], draws=25)
    assert list(found) == ["gap", "k_hat"]
    assert len(found) == 2
    assert found.verdict


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"metrics": ["elbow"]}, "No metric named 'elbow'. Did you mean 'elbo'"),
        ({"draws": 19}, "draws to be a whole number of at least 20; got 19"),
        ({"split": "tset"}, "No split 'tset' in data 'small'; it has"),
    ],
)
def test_what_makes_no_sense(settings, sentence, diagonal):
    with pytest.raises(ValueError, match=sentence):
        evaluate(diagonal, **settings)


def conjugate(x):
    """A user's own model of one mean; log p(x) is a normal's."""
    mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


@pytest.mark.thin(4)
@pytest.mark.parametrize("guide", [MeanField, AutoNormal])
@pytest.mark.parametrize("batch", [None, 4])
def test_a_users_own_model(guide, batch):
    x = torch.randn(12) + 1
    result = zoo.fit(conjugate, guide, x, steps=500, lr=0.02, batch_size=batch)
    found = evaluate(result)
    truth = dist.MultivariateNormal(torch.zeros(12), torch.eye(12) + 4.0).log_prob(x).item()
    assert (found.split, found.rows, found["elbo"].unit) == ("train", 1, "nats")
    assert abs(found["log_evidence"].value - truth) < 5 * found["log_evidence"].se
    assert found["elbo"].value - 5 * found["elbo"].se < truth
    assert found["k_hat"].value < 0.7


def test_latents_that_rows_share_are_scored_where_they_were_inferred():
    result = zoo.fit(zoo.load("logistic_regression"), FullRank, steps=3)
    found = evaluate(result, draws=50)
    assert result.task.data.test
    assert found.split == "train"
    assert found["elbo"].unit == "nats"


def test_one_coordinate_that_is_wrong_is_not_lost_in_the_mean_square():
    """The full-rank normal has the means of eight schools, and not the sd of tau."""
    found = evaluate(zoo.fit(zoo.load("eight_schools"), FullRank, seed=0), metrics=["posterior"])
    assert found["posterior_sd_error"].value < 0.25 < found["posterior_sd_worst"].value
    assert found["posterior_mean_worst"].value > found["posterior_mean_error"].value
    assert found.answers.draws.answer == "no"
