"""The verdict: what a gap bounds, what it asks for, and how it speaks of labels."""

import pytest

from zoo.evaluation.verdict import verdict
from zoo.metrics import Metric
from zoo.metrics.moment_shift import ALL_DISCRETE
from zoo.metrics.weight_diagnostics import TIED

DRAWS = 10_000


def metric(value, se=0.0, unit="nats"):
    return Metric(value, se, unit)


FAILED = {"k_hat": metric(1.1, 0.1), "ess": metric(20.0, 10.0)}
BARE = {
    "k_hat": metric(0.3, 0.08),
    "ess": metric(6000.0, 100.0),
    "elbo": metric(-10.0, 0.01),
    "log_evidence": metric(-9.9, 0.01),
    "bound_rise": metric(0.01, 0.02),
}
HEALTHY = BARE | {
    "psis_mean_shift": metric(0.03, 0.02),
    "psis_sd_shift": metric(0.05, 0.02),
    "smc_mean_shift": metric(0.04, 0.03),
    "smc_sd_shift": metric(0.05, 0.03),
    "smc_excess": metric(0.01, 0.03),
}
RISING = {"bound_rise": Metric(0.67, 0.2, "nats", "", "from one half of the last 300 steps")}
TIGHT = HEALTHY | RISING | {"elbo": metric(-9.91, 0.001), "log_evidence": metric(-9.9, 0.001)}


def of_bound(found, *, trains_model):
    return verdict(found, DRAWS, trains_model=trains_model).bound


def test_a_gap_bounds_what_training_can_gain_where_the_model_has_no_parameters():
    said = of_bound(TIGHT, trains_model=False)
    assert said.answer == "yes"
    assert "0.01 +- 0.001 nats below the importance-sampled log p(x)" in said.reason
    assert "all that training can still gain" in said.reason
    exact = {"gap": metric(0.05, 0.01), "exact_log_evidence": metric(-9.85)}
    assert of_bound(TIGHT | exact, trains_model=False).answer == "yes"


def test_a_gap_does_not_bound_what_a_model_with_parameters_can_learn():
    said = of_bound(TIGHT, trains_model=True)
    assert said.answer == "no"
    assert said.reason == "it still rose by 0.67 +- 0.2 nats from one half of the last 300 steps"


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ({"log_evidence": metric(-9.6, 0.01)}, "no"),  # 0.3 nats are left
        ({"log_evidence": metric(-9.85, 0.03)}, "no"),  # 0.06 +- 0.03
        (FAILED, "no"),
        ({"smc_excess": metric(0.09, 0.01)}, "no"),  # a mode that the weights do not see
        ({"smc_excess": metric(-2.0, 0.01)}, "cannot tell"),  # nothing to check it against
    ],
)
def test_a_gap_that_is_large_or_not_trusted_bounds_nothing(found, answer):
    assert of_bound(TIGHT | found, trains_model=False).answer == answer


MOMENTS = {name: "no draws of ['k']" for name in ("psis_mean_shift", "psis_sd_shift")}
PRIOR = {name: "the model does not broadcast" for name in ("smc_mean_shift", "smc_excess")}


@pytest.mark.parametrize(
    ("skipped", "bound", "draws"),
    [
        ({}, "metrics=['from_prior']", "metrics=['psis', 'from_prior']"),
        (MOMENTS, "metrics=['from_prior']", "metrics=['from_prior']"),
        (MOMENTS | PRIOR, "metrics=['ais']", "metrics=['posterior']"),
        (
            MOMENTS | PRIOR | {"posterior_mean_error": "unknown", "ais": "no"},
            "metrics=['smc']",
            "metrics=['smc']",
        ),
        (
            MOMENTS | PRIOR | dict.fromkeys(("posterior_mean_error", "ais", "smc"), "no"),
            "",
            "more steps, or another guide",
        ),
        (
            dict.fromkeys((*MOMENTS, *PRIOR), ALL_DISCRETE) | {"posterior_mean_error": "unknown"},
            "metrics=['ais']",
            "more steps, or another guide",
        ),
    ],
)
def test_what_was_tried_is_not_asked_for_again(skipped, bound, draws):
    said = verdict(BARE, DRAWS, skipped)
    assert said.bound.ask == bound
    assert said.draws.answer == "cannot tell"
    assert said.draws.ask == draws
    if skipped:
        assert skipped["psis_mean_shift"] in said.draws.reason


@pytest.mark.parametrize(
    ("skipped", "ask"),
    [
        ({"k_hat": f"undefined: {TIED}"}, "metrics=['exact']"),
        ({"k_hat": f"undefined: {TIED}", "gap": "unknown"}, "objective='enumerate'"),
        ({"k_hat": "there is no tail to fit, or it takes more draws"}, "draws=100000"),
        ({}, "metrics=['weights']"),
    ],
)
def test_without_k_hat_the_ask_can_be_followed(skipped, ask):
    found = {name: one for name, one in HEALTHY.items() if name != "k_hat"}
    said = verdict(found, DRAWS, skipped).weights
    assert said.answer == "cannot tell"
    assert ask in said.ask
    assert all(why in said.reason for why in skipped.values() if why != "unknown")


@pytest.mark.parametrize(
    ("error", "answer"),
    [(metric(0.02, 0.01), "yes"), (metric(0.09, 0.02), "cannot tell"), (metric(0.3, 0.02), "no")],
)
def test_labels_are_off_by_a_probability_and_not_by_sds(error, answer):
    found = BARE | {"posterior_mean_error": Metric(error.value, error.se, "probability")}
    said = verdict(found, DRAWS).draws
    assert said.answer == answer
    assert "probabilities off by" in said.reason
    assert " sd" not in said.reason
