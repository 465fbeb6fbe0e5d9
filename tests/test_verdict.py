"""The verdict: one line, in plain words, of what is alarming."""

import pytest

from zoo.figures import Figure
from zoo.verdict import verdict


def figure(value, se=0.0, unit="nats"):
    return Figure(value, se, unit)


def test_a_healthy_fit():
    found = {"gap": figure(0.012, 0.001), "k_hat": figure(0.3), "sbc_p": figure(0.4)}
    assert verdict(found, 1000) == (
        "no sign of trouble; bound 0.012 +- 0.001 nats below the exact evidence; "
        "k-hat 0.30 (limit 0.67): trust the weights"
    )


def test_a_poor_fit():
    found = {"gap": figure(1.3, 0.02), "k_hat": figure(0.93)}
    assert verdict(found, 1000) == (
        "bound 1.3 +- 0.02 nats below the exact evidence; "
        "k-hat 0.93 (limit 0.67): do not trust this posterior's tails"
    )


def test_rows_with_bad_weights_are_told_though_the_median_row_is_good():
    found = {"k_hat": figure(0.66), "k_hat_share": figure(0.49, 0.05)}
    assert verdict(found, 1000) == "k-hat above 0.67 for 49 % of rows: do not trust their weights"
    rare = {"k_hat": figure(0.2), "k_hat_share": figure(0.004, 0.002)}
    assert "0.4 % of rows" in verdict(rare, 1000)
    assert "trust the weights" not in verdict(rare, 1000)


@pytest.mark.parametrize(("share", "k", "said"), [(0, 0.3, "trust the"), (1, 0.9, "do not trust")])
def test_where_all_rows_are_alike_their_k_hat_is_told(share, k, said):
    line = verdict({"k_hat": figure(k), "k_hat_share": figure(share)}, 1000)
    assert f"k-hat {k:.2f} (limit 0.67): {said}" in line
    assert ("no sign of trouble" in line) == (share == 0)


def test_nothing_to_go_by():
    assert verdict({"ess": figure(3.0)}, 1000).startswith("nothing computed that says")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"posterior_mean_error": figure(0.3, 0.01)}, "posterior mean off by 0.3 +- 0.01 sd"),
        ({"posterior_sd_error": figure(0.15, 0.01)}, "posterior sd off by 0.15"),
        ({"kl/z": figure(0.001, 0.001)}, "'z' has collapsed to its prior"),
        ({"active_units/z": figure(0.0)}, "'z' has collapsed to its prior"),
        ({"sbc_p": figure(0.002)}, "SBC p = 0.002: the posterior is miscalibrated"),
        ({"vsbc_p": figure(0.002)}, "VSBC p = 0.002"),
        ({"bound_change": figure(0.2, 0.01)}, "the bound still rose by 20.0% late in training"),
        ({"r_hat": figure(1.4)}, "R-hat of the iterates 1.40"),
    ],
)
def test_every_alarm(found, said):
    line = verdict({"k_hat": figure(0.2), **found}, 1000)
    assert said in line
    assert "no sign of trouble" not in line


@pytest.mark.parametrize(
    "found",
    [
        {"posterior_mean_error": figure(0.12, 0.02)},
        {"sbc_p": figure(0.02)},
        {"kl/z": figure(1.0, 0.01)},
        {"bound_change": figure(0.02, 0.02)},
        {"r_hat": figure(1.05)},
    ],
)
def test_what_may_be_chance_is_no_alarm(found):
    assert "no sign of trouble" in verdict({"k_hat": figure(0.2), **found}, 1000)
