"""The verdict: three answers, every rule of them, and that missing evidence is never good."""

import pytest

from zoo.evaluation.verdict import verdict
from zoo.metrics import Metric

DRAWS = 10_000


def metric(value, se=0.0, unit="nats"):
    return Metric(value, se, unit)


TRUSTED = {"k_hat": metric(0.3, 0.08), "ess": metric(6000.0, 100.0)}
FAILED = {"k_hat": metric(1.1, 0.1), "ess": metric(20.0, 10.0)}
WITHIN = {"psis_mean_shift": metric(0.03, 0.02), "psis_sd_shift": metric(0.05, 0.02)}
FOUND = {
    "smc_mean_shift": metric(0.04, 0.03),
    "smc_sd_shift": metric(0.05, 0.03),
    "smc_excess": metric(0.01, 0.03),
}
BOUND = {
    "elbo": metric(-10.0, 0.01),
    "log_evidence": metric(-9.9, 0.01),
    "bound_rise": metric(0.01, 0.02),
}
HEALTHY = TRUSTED | WITHIN | FOUND | BOUND


def answers(found, draws=DRAWS):
    said = verdict(found, draws)
    return said.bound.answer, said.weights.answer, said.draws.answer


def without(found, *names):
    return {name: one for name, one in found.items() if name not in names}


def test_a_healthy_fit_gets_three_times_yes_in_three_lines():
    said = verdict(HEALTHY, DRAWS)
    assert answers(HEALTHY) == ("yes", "yes", "yes")
    bound, weights, draws = str(said).splitlines()
    assert bound == (
        "bound as it should be? yes: 0.1 +- 0.01 nats below the importance-sampled log p(x); "
        "not above the evidence found from the prior; no rise above 0.1 nats"
    )
    assert weights == (
        "weights to be trusted? yes: k-hat 0.3 +- 0.08 (limit 0.70); ESS 6000 of 10000"
    )
    assert draws == (
        "guide's draws to be trusted? yes: mean 0.04 +- 0.03 sd and sd 5 +- 3 % away from "
        "those of SMC from the prior"
    )


def test_nothing_computed_is_three_times_cannot_tell_with_what_to_ask_for():
    said = verdict({}, DRAWS)
    assert answers({}) == ("cannot tell", "cannot tell", "cannot tell")
    assert all(one.ask for one in (said.bound, said.weights, said.draws))


@pytest.mark.parametrize(
    ("missing", "question"),
    [
        (("k_hat",), 1),
        (("ess",), 1),
        (("bound_rise",), 0),
        (("elbo",), 0),
        (("smc_excess",), 0),
        ((*WITHIN, *FOUND), 2),
        ((*TRUSTED, *FOUND), 2),
        (("psis_sd_shift", "smc_sd_shift"), 2),
    ],
)
def test_what_is_missing_is_not_taken_for_good(missing, question):
    assert answers(without(HEALTHY, *missing))[question] == "cannot tell"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"exact_log_evidence": metric(-10.2)}, "elbo lies 0.2 +- 0.01 nats above the exact"),
        ({"exact_log_evidence": metric(-9.95)}, "log_evidence lies 0.05 +- 0.01 nats above"),
        ({"iwae_100": metric(-9.0), "exact_log_evidence": metric(-9.9)}, "iwae_100 lies 0.9"),
        ({"gap": metric(-0.1, 0.01)}, "gap -0.1 +- 0.01 is negative"),
        ({"kl": metric(-0.5, 0.1)}, "kl -0.5 +- 0.1 is negative"),
        ({"kl/z": metric(-0.5, 0.1)}, "kl/z -0.5 +- 0.1 is negative"),
        ({"kl_exact": metric(-0.5, 0.1)}, "kl_exact -0.5 +- 0.1 is negative"),
        (
            {"kl": metric(1.0, 0.1), "mutual_information": metric(2.0, 0.1)},
            "KL from the prior lies 1 +- 0.1 nats below the mutual information",
        ),
        ({"elbo": metric(float("nan"))}, "elbo is nan"),
        ({"log_evidence": metric(float("inf"))}, "log_evidence is inf"),
    ],
)
def test_impossible_values_condemn_bound_and_weights(found, said):
    whole = verdict(HEALTHY | found, DRAWS)
    assert whole.bound.answer == whole.weights.answer == "no"
    assert said in whole.bound.reason
    assert said in whole.weights.reason


@pytest.mark.parametrize(
    "found",
    [
        {"exact_log_evidence": metric(-9.92)},
        {"gap": metric(-0.001, 0.001)},
        {"gap": metric(-1e-7)},
        {"kl": metric(1.0, 0.1), "mutual_information": metric(1.2, 0.1)},
        {"kl/z": metric(-0.01, 0.01)},
    ],
)
def test_what_is_impossible_within_its_error_only_is_no_fault(found):
    assert answers(HEALTHY | found)[0] == "yes"


def test_of_a_wrong_density_only_draws_that_need_none_are_believed():
    """An exact guide whose log-determinant is missing: the draws are right, all else is wrong."""
    wrong = HEALTHY | {"gap": metric(-1.8), "smc_excess": metric(-1.8, 0.02)}
    assert answers(wrong) == ("no", "no", "yes")
    assert answers(without(wrong, "smc_mean_shift")) == ("no", "no", "cannot tell")


@pytest.mark.parametrize(
    ("rise", "answer"),
    [
        (metric(0.01, 0.02), "yes"),
        (metric(0.98, 2.49), "cannot tell"),
        (metric(0.05, 0.04), "cannot tell"),
        (metric(0.15, 0.03), "no"),
        (metric(2.0, 0.5), "no"),
        (metric(-0.3, 0.1), "yes"),
    ],
)
def test_a_rise_that_the_test_cannot_see_is_cannot_tell(rise, answer):
    assert answers(HEALTHY | {"bound_rise": rise})[0] == answer


def test_iterates_that_move_and_bounds_that_are_tight():
    assert answers(HEALTHY | {"r_hat": metric(1.4)})[0] == "no"
    assert answers(HEALTHY | {"r_hat": metric(1.02)})[0] == "yes"
    tight = without(HEALTHY, "bound_rise") | {"gap": metric(0.004, 0.002)}
    assert answers(tight)[0] == "yes"
    estimated = without(HEALTHY, "bound_rise") | {"log_evidence": metric(-9.998, 0.001)}
    estimated["elbo"] = metric(-10.0, 0.001)
    assert answers(estimated)[0] == "yes"
    assert answers(estimated | {"smc_excess": metric(0.3, 0.01)})[0] == "cannot tell"


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ({"k_hat": metric(0.5, 0.09)}, "yes"),
        ({"k_hat": metric(0.6, 0.09)}, "cannot tell"),
        ({"k_hat": metric(0.8, 0.09)}, "cannot tell"),
        ({"k_hat": metric(0.95, 0.1)}, "no"),
        ({"k_hat": metric(float("nan"))}, "cannot tell"),
        ({"k_hat": metric(-1.0), "ess": metric(24.0, 5.0)}, "no"),
        ({"ess": metric(105.0, 20.0)}, "cannot tell"),
        ({"largest_weight": metric(0.4, 0.05)}, "no"),
        ({"largest_weight": metric(0.09, 0.02)}, "cannot tell"),
        ({"largest_weight": metric(0.002)}, "yes"),
    ],
)
def test_weights(found, answer):
    assert answers(HEALTHY | found)[1] == answer


def test_a_thousand_draws_cannot_tell_what_ten_thousand_can():
    k = 0.45
    few, many = ({"k_hat": metric(k, (1 + k) / (3 * n**0.5) ** 0.5)} for n in (1000, 10_000))
    assert answers(HEALTHY | few, 1000)[1] == "cannot tell"
    assert verdict(HEALTHY | few, 1000).weights.ask == "draws=10000"
    assert answers(HEALTHY | many, 10_000)[1] == "yes"


def test_weights_of_rows():
    share = {"k_hat_share": metric(0.0, 0.01)}
    assert answers(HEALTHY | share)[1] == "yes"
    assert answers(HEALTHY | {"k_hat_share": metric(0.04, 0.01)})[1] == "cannot tell"
    assert answers(HEALTHY | {"k_hat_share": metric(0.49, 0.05)})[1] == "no"
    one = {"k_hat_share": metric(1.0), "k_hat": metric(0.72, 0.1)}
    assert answers(HEALTHY | one)[1] == "cannot tell"


def test_good_weights_do_not_make_good_draws():
    """Weights repair what they move: the guide's own draws are as far off as they move it."""
    moved = HEALTHY | {"psis_mean_shift": metric(0.5, 0.03)}
    assert answers(moved) == ("yes", "yes", "no")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"smc_mean_shift": metric(0.5, 0.05)}, "mean 0.5 +- 0.05 sd"),
        ({"smc_sd_shift": metric(0.9, 0.01)}, "sd 90 +- 1 % away from those of SMC"),
        ({"smc_excess": metric(0.3, 0.02)}, "SMC from the prior finds 0.3 +- 0.02 nats more"),
        ({"ais": metric(-9.0, 0.1)}, "ais finds 0.9 +- 0.1 nats more"),
        ({"psis_sd_shift": metric(0.4, 0.05)}, "sd 40 +- 5 % away from those of the smoothed"),
        ({"psis_off_share": metric(0.5, 0.07)}, "smoothed weights move the moments of 50%"),
        (
            {"posterior_mean_error": metric(0.3, 0.01), "posterior_sd_error": metric(0.0)},
            "mean 0.3 +- 0.01 sd and sd 0 +- 0 % away from the exact ones",
        ),
        (
            {
                "posterior_mean_error": metric(0.06, 0.01),
                "posterior_sd_error": metric(0.2, 0.01),
                "posterior_mean_worst": metric(0.18, 0.01),
                "posterior_sd_worst": metric(0.65, 0.01),
            },
            "mean 0.18 +- 0.01 sd and sd 65 +- 1 % away from the exact ones",
        ),
        ({"mmd_p": metric(0.0005)}, "mmd_p = 0.0005"),
        ({"sbc_p": metric(0.002)}, "sbc_p = 0.002"),
        ({"vsbc_p": metric(0.002)}, "vsbc_p = 0.002"),
        ({"coverage_50": metric(0.2, 0.02)}, "intervals of 50 % cover 20%"),
        ({"coverage_90": metric(0.5, 0.02)}, "intervals of 90 % cover 50%"),
    ],
)
def test_whatever_accuses_the_draws(found, said):
    whole = verdict(HEALTHY | found, DRAWS)
    assert whole.draws.answer == "no"
    assert said in whole.draws.reason


@pytest.mark.parametrize(
    "found",
    [
        {"smc_excess": metric(0.1, 0.05)},
        {"sbc_p": metric(0.02)},
        {"mmd_p": metric(0.01)},
        {"coverage_90": metric(0.85, 0.01)},
        {"psis_off_share": metric(0.05, 0.03)},
    ],
)
def test_what_may_be_chance_accuses_nobody(found):
    assert answers(HEALTHY | found)[2] == "yes"


def test_a_small_gap_to_the_exact_evidence_is_enough():
    found = {"gap": metric(0.01, 0.002)}
    assert answers(found)[2] == "yes"
    assert answers({"gap": metric(0.05, 0.002)})[2] == "cannot tell"
    assert answers({"gap": metric(-0.5, 0.002)})[2] == "cannot tell"


def test_where_nothing_starts_from_the_prior_the_answer_says_so():
    found = without(HEALTHY, *FOUND)
    said = verdict(found, DRAWS).draws
    assert said.answer == "yes"
    assert said.reason.endswith("as far as the guide's own draws can see")


def test_weights_that_fail_leave_the_gap():
    found = FAILED | WITHIN | {"elbo": metric(-10.0, 0.1), "log_evidence": metric(-9.0, 0.1)}
    assert answers(found) == ("cannot tell", "no", "cannot tell")
    assert answers(found | {"log_evidence": metric(-5.0, 0.5)})[2] == "no"


def test_particles_that_fell_short_of_the_guide_are_not_heard():
    short = {"smc_excess": metric(-2.0, 0.1), "smc_mean_shift": metric(0.9, 0.01)}
    whole = verdict(HEALTHY | short, DRAWS)
    assert whole.draws.answer == "yes"
    assert "smoothed weights" in whole.draws.reason
    assert whole.bound.answer == "cannot tell"


def test_weights_that_may_mislead_do_not_vouch_for_the_draws():
    doubtful = {"k_hat": metric(0.6, 0.1), "ess": metric(300.0, 120.0)}
    found = without(HEALTHY, "smc_mean_shift", "smc_sd_shift", "smc_excess")
    assert verdict(found, DRAWS).draws.answer == "yes"
    said = verdict(found | doubtful, DRAWS)
    assert said.weights.answer == said.draws.answer == "cannot tell"
    assert "perhaps fewer than 100 effective draws" in said.weights.reason
    assert "weights are not sure enough" in said.draws.reason


def test_moments_near_their_limit_cannot_tell():
    near = {"smc_mean_shift": metric(0.17, 0.03), "psis_mean_shift": metric(0.17, 0.03)}
    said = verdict(HEALTHY | near, DRAWS).draws
    assert said.answer == "cannot tell"
    assert said.ask
