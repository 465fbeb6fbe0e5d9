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
