"""The groups of metrics that `zoo.evaluate` picks from, on models whose answers are known."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import best_diagonal_guide, exact_guide, fitted_ppca_task, regression, small_data

import zoo
from guides import AmortisedNormal, FullRank, MeanField
from zoo.evaluation.groups import PARTS
from zoo.evaluation.local_optimisation import Search
from zoo.evaluation.selection import GROUPS, NAMES, SLOW
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.objectives import StickingTheLanding
from zoo.task import Task

IDENTITY = 1e-8
ERRORS = 5
QUICK = [part for part in PARTS if part.quick]


def untrained(task, guide):
    return zoo.fit(task, guide, steps=1, lr=1e-30)


@pytest.fixture(scope="module")
def exact():
    torch.manual_seed(0)
    task = fitted_ppca_task()
    return untrained(task, exact_guide(task))


@pytest.fixture(scope="module")
def diagonal():
    torch.manual_seed(0)
    task = fitted_ppca_task()
    return untrained(task, best_diagonal_guide(task))


@pytest.fixture(scope="module")
def shared():
    torch.manual_seed(0)
    model, *args = regression()
    return zoo.fit(model, FullRank, *args, steps=200, lr=0.05)


@pytest.fixture(scope="module")
def pictures():
    torch.manual_seed(0)
    bits = torch.bernoulli(torch.full((60, 6), 0.5))
    data = small_data("bits", bits[:20], bits[20:30], bits[30:])
    object.__setattr__(data, "image", (2, 3))
    object.__setattr__(data, "binarize", "static")
    task = Task("vae", lambda: BernoulliVAE(6, (5,), 2), data)
    return zoo.fit(task, AmortisedNormal, steps=3)


def test_every_name_belongs_to_one_part():
    assert len(set(NAMES)) == len(NAMES)
    assert not set(NAMES) & (set(GROUPS) - {"gaps", "sbc", "vsbc"} - {"latents"})


@pytest.mark.thin(6)
@pytest.mark.parametrize("fit", ["exact", "shared", "pictures"])
@pytest.mark.parametrize("part", QUICK, ids=lambda part: part.names[0])
def test_a_part_gives_its_names_or_a_reason(part, fit, request):
    found = zoo.evaluate(request.getfixturevalue(fit), metrics=part.names, draws=220)
    stems = {name.split("/")[0] for name in found}
    assert stems | set(found.skipped) == set(part.names)
    assert not stems & set(found.skipped)
    for metric in found.values():
        assert torch.tensor(metric.value).isfinite()
        assert metric.se >= 0
    assert all(len(reason) > 10 for reason in found.skipped.values())


def test_what_the_default_leaves_out_is_named(shared):
    found = zoo.evaluate(shared, draws=40)
    slow = {name for name, reason in found.skipped.items() if reason == SLOW}
    assert slow == {"upper", "gaps", "sbc", "vsbc", "ais", "ais_from_guide", "smc", "bdmc"}
    assert {"elbo", "elpd_loo", "two_divergence", "bound_change"} < set(found)
    assert found.skipped["kl_exact"] == "the model does not know its posterior as a distribution"
    assert found.skipped["k_hat_rows"].startswith("all rows share their latents")


def test_a_metric_that_its_group_leaves_out_says_why(shared):
    found = zoo.evaluate(shared, metrics=["psis", "convergence"], draws=220)
    assert found.skipped["psis_off_share"].startswith("all rows share one weight")


def test_a_metric_does_not_depend_on_what_else_is_asked_for(exact):
    alone = zoo.evaluate(exact, metrics=["mmd_p"], draws=40)
    among = zoo.evaluate(exact, metrics=["elbo", "two_sample", "kl_exact"], draws=40)
    assert list(alone) == ["mmd_p"]
    assert alone["mmd_p"] == among["mmd_p"]
    assert list(among)[0] == "elbo"


def test_metrics_of_one_site(exact):
    found = zoo.evaluate(exact, metrics=["active_units/z", "kl/w"], draws=40)
    assert list(found) == ["active_units/z"]
    assert found.skipped == {"kl/w": "the task has nothing of that name"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [("khat", "k_hat"), ("two_samples", "two_sample"), ("aiss", "ais"), ("sbcp", "sbc_p")],
)
def test_unknown_names_are_answered_with_the_nearest(name, meant, exact):
    with pytest.raises(ValueError, match=f"No metric named '{name}'. Did you mean '{meant}'"):
        zoo.evaluate(exact, metrics=[name])


def test_the_exact_guide_is_found_healthy(exact):
    names = ["weights", "exact", "posterior", "two_sample", "latents", "sbc"]
    found = zoo.evaluate(exact, metrics=names, draws=300)
    assert abs(found["kl_exact"].value) < IDENTITY
    assert found["mmd_p"].value > 0.01
    assert found["sbc_p"].value > 0.01
    assert abs(found["classifier_logistic"].value - 0.5) < ERRORS * 0.02
    assert found["k_hat_rows"].value == 0
    assert found["k_hat_rows"].se > 0
    assert found.answers.bound.answer == found.answers.weights.answer == "yes"
    assert found.answers.draws.answer == "yes"


def test_the_best_diagonal_guide_pays_its_closed_form(diagonal):
    found = zoo.evaluate(diagonal, metrics=["kl_exact", "sbc", "two_divergence"], draws=400)
    (x,) = diagonal.task.split("test")
    truth = diagonal.model.mean_field_gap(x).mean().item()
    assert abs(found["kl_exact"].value - truth) < ERRORS * found["kl_exact"].se
    assert found["kl_exact"].unit == found["two_divergence"].unit == "nats/row"
    assert found["two_divergence"].value > truth
    assert found["sbc_p"].value < 0.01
    assert "sbc_p = " in found.answers.draws.reason


def test_gaps_take_the_guides_own_local_family(diagonal, monkeypatch):
    brief = partial(
        zoo.measure_gaps, objective=StickingTheLanding(4), search=Search(block=30, limit=400)
    )
    monkeypatch.setattr("zoo.evaluation.groups.gaps.measure_gaps", brief)
    monkeypatch.setattr("zoo.evaluation.groups.gaps.GAP_ROWS", 4)
    found = zoo.evaluate(diagonal, metrics=["gaps"], draws=100)
    assert set(found) == {
        "inference_gap",
        "approximation_gap/PerDatum",
        "amortisation_gap/PerDatum",
        "generalisation_gap",
    }
    (x,) = diagonal.task.split("test")
    truth = diagonal.model.mean_field_gap(x[:4]).mean().item()
    gap = found["approximation_gap/PerDatum"]
    assert abs(gap.value - truth) < ERRORS * gap.se
    hasty = partial(zoo.measure_gaps, search=Search(block=5, limit=5))
    monkeypatch.setattr("zoo.evaluation.groups.gaps.measure_gaps", hasty)
    found = zoo.evaluate(diagonal, metrics=["gaps"], draws=20)
    assert "PerDatum not settled after 5 steps" in found["amortisation_gap/PerDatum"].note
    assert "settled" not in found["inference_gap"].note
    flat = zoo.evaluate(zoo.fit(conjugate, MeanField, torch.randn(5), steps=1), metrics=["gaps"])
    assert "MeanField names no guide" in flat.skipped["inference_gap"]


def test_bits_per_dimension_of_binarized_pictures(pictures):
    found = zoo.evaluate(pictures, metrics=["bits_per_dimension", "log_evidence"], draws=40)
    bits = -found["log_evidence"].value / 6 / torch.tensor(2.0).log().item()
    assert found["bits_per_dimension"].value == pytest.approx(bits, rel=IDENTITY)


@pytest.mark.parametrize("likelihood", ["categorical", "dequantised"])
def test_bits_per_dimension_of_grey_levels(likelihood):
    task = zoo.load("vae", likelihood=likelihood)
    guide = AmortisedNormal  # of the noise too, where levels are dequantised
    fit = zoo.fit(task, guide, steps=2, compile=False)
    found = zoo.evaluate(fit, metrics=["bits_per_dimension", "log_evidence"], draws=20)
    bits = -found["log_evidence"].value / 64 / torch.tensor(2.0).log().item()
    assert found["bits_per_dimension"].value == pytest.approx(bits, rel=IDENTITY)


def test_a_density_of_grey_levels_has_no_bits():
    fit = zoo.fit(zoo.load("vae", likelihood="gaussian"), AmortisedNormal, steps=2, compile=False)
    found = zoo.evaluate(fit, metrics=["bits_per_dimension"], draws=20)
    assert "a density of pixels, which has no bits" in found.skipped["bits_per_dimension"]


@pytest.mark.parametrize("model", ["vae", "gaussian_vae"])
def test_a_density_of_bits_has_no_bits(model):
    likelihood = "gaussian" if model == "vae" else None
    task = zoo.load(model, data="digits", likelihood=likelihood, binarize="threshold")
    fit = zoo.fit(task, AmortisedNormal, steps=2, compile=False)
    found = zoo.evaluate(fit, metrics=["bits_per_dimension"], draws=20)
    assert "a density of pixels, which has no bits" in found.skipped["bits_per_dimension"]


def test_a_picture_and_its_label_have_no_bits_per_dimension():
    fit = zoo.fit(zoo.load("multimodal_vae"), AmortisedNormal, steps=2, compile=False)
    found = zoo.evaluate(fit, metrics=["bits_per_dimension"], draws=20)
    assert found.skipped["bits_per_dimension"] == (
        "the model observes {'x': 64, 'y': 10} values a row, not one picture of 64"
    )


def test_bits_of_an_autoregressive_decoder():
    task = zoo.load("vae", decoder="nade")
    fit = zoo.fit(task, AmortisedNormal, steps=2, compile=False)
    alone = zoo.evaluate(fit, metrics=["bits_per_dimension"], draws=20)
    beside = zoo.evaluate(fit, metrics=["bits_per_dimension", "log_evidence"], draws=20)
    bits = -beside["log_evidence"].value / 64 / torch.tensor(2.0).log().item()
    assert alone["bits_per_dimension"].value == pytest.approx(bits, rel=IDENTITY)


def conjugate(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def test_vsbc_refits_the_guide(monkeypatch):
    monkeypatch.setattr("zoo.evaluation.groups.calibration.SIMULATIONS", 10)
    x = torch.randn(6)
    poor = zoo.fit(conjugate, MeanField, x, steps=2, lr=1e-9)
    found = zoo.evaluate(poor, metrics=["vsbc"])
    assert 0 <= found["vsbc_p"].value <= 1
    assert "10 refits of 1 dimensions" in found["vsbc_p"].note


def test_loo_of_a_users_own_model():
    """The leave-one-out densities of a normal mean, in closed form."""
    x = torch.randn(30) + 1
    fit = zoo.fit(conjugate, MeanField, x, steps=500, lr=0.05)
    found = zoo.evaluate(fit, metrics=["elpd_loo", "p_loo", "predictive_p"], draws=2000)
    precision = 0.25 + len(x) - 1
    means = (x.sum() - x) / precision
    truth = dist.Normal(means, (1 + 1 / precision) ** 0.5).log_prob(x).sum().item()
    assert abs(found["elpd_loo"].value - truth) < 0.1 * found["elpd_loo"].se
    assert 0.5 < found["p_loo"].value < 1.5
    assert 0.1 < found["predictive_p/mean"].value < 0.9


def test_a_bound_that_still_rises_is_told():
    x = torch.randn(20) + 20
    fit = zoo.fit(conjugate, MeanField, x, steps=200, lr=0.01)
    found = zoo.evaluate(fit, metrics=["convergence"])
    assert found["bound_change"].value > 0.05
    assert found["bound_rise"].value > 0.1
    assert found["bound_rise"].unit == "nats"
    assert "it still rose by" in found.answers.bound.reason
    assert "until='converged'" in found.skipped["r_hat"]


def test_heavy_weights_are_told_in_the_note():
    x = torch.randn(20)
    fit = zoo.fit(conjugate, MeanField, x, steps=1, lr=1e-9)
    found = zoo.evaluate(fit, metrics=["log_evidence", "k_hat"], draws=1000)
    assert found["k_hat"].value > 0.7
    assert found["log_evidence"].note == (
        f"error not to be trusted: k-hat {found['k_hat'].value:.2f}"
    )
    assert found.answers.weights.answer != "yes"
