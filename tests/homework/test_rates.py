"""The measurement of error rates, at a small size."""

import pytest
import scipy.stats

from benchmarks.homework.measure import _tail, false_fails, measure, power
from benchmarks.intervals import upper_bound
from zoo.homework.answer_key import find_key
from zoo.homework.rates import sentence_on_rates
from zoo.homework.sheets import find_sheet, sheet_names

SHEET = find_sheet("ppca")
pytestmark = pytest.mark.usefixtures("usual_dtype")


def test_no_right_solution_loses_points_and_no_wrong_one_passes():
    found = measure(SHEET, students=1, draws=10, trainings=2)
    assert found["right"] >= 15 * len(SHEET.programmed)
    assert found["lost"] == []
    assert found["missed"] == []
    assert found["mutants"] == len(find_key(SHEET).mutants())
    assert found["false_fail_bound"] == 0  # no part of it is statistical


class WrongKey:
    """Instructor's files whose solution is a mutant, and whose mutants are the solution."""

    def __init__(self):
        self.key = find_key(SHEET)
        (self.mutant,) = [one for one in self.key.mutants() if one.name == "sum_for_mean"]
        self.solution = self.mutant.source

    def __getattr__(self, name):
        return getattr(self.key, name)

    def mutants(self):
        return [type(self.mutant)("right", "a", "marginal mean", "", self.key.solution)]


def test_errors_of_the_grader_are_counted():
    lost = false_fails(SHEET, WrongKey(), 1)["lost"]
    assert {one["part"] for one in lost} == {"d"}
    assert "solution" in {one["solution"] for one in lost}
    assert power(SHEET, WrongKey(), 1)["missed"] == [{"mutant": "right", "student": 0}]


def test_a_part_that_draws_has_its_p_values_counted():
    found = measure(find_sheet("vae"), students=0, draws=40, trainings=0)["null"]["g"]
    for concept in ("single pixels", "pairs of pixels"):
        assert found[concept]["draws"] == 40
        assert found[concept]["below"]["0.0001"] == 0
        least = scipy.stats.binom(40, 0.1).ppf(1 - 1e-6)
        assert found[concept]["below"]["0.1"] <= least


@pytest.mark.parametrize(("count", "trials"), [(0, 100), (3, 50)])
def test_the_bound_is_the_rate_at_which_so_few_are_rare(count, trials):
    bound = upper_bound(count, trials)
    assert scipy.stats.binom(trials, bound).cdf(count) == pytest.approx(0.05, rel=1e-8)


def test_a_valid_p_value_fails_at_its_limit_and_another_as_counted():
    p = scipy.stats.uniform.rvs(size=2000, random_state=0)
    assert _tail(list(p), 1e-4)["rate_bound"] == 1e-4
    assert _tail(list(p**3), 1e-4)["rate_bound"] > 0.03


def test_a_band_fails_as_the_tail_of_a_normal():
    """The bound is above the truth, and of its order."""
    margins = scipy.stats.norm.rvs(3, 1, size=4000, random_state=0)
    bound, truth = _tail(list(margins), 0.0)["rate_bound"], scipy.stats.norm.sf(3)
    assert truth < bound < 2 * truth


def test_tails_are_counted():
    found = _tail([0.5, 0.05, 1e-5, 2e-4], 1e-4)
    assert found["failed"] == 1
    assert found["below"] == {"0.1": 3, "0.01": 2, "0.001": 2, "0.0001": 1}


@pytest.mark.parametrize("name", sheet_names())
def test_the_grader_prints_rates_of_every_sheet(name):
    assert "right solutions 0 lost points" in sentence_on_rates(name)
