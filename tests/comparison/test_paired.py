"""Differences paired by seed: errors that hold, and calls of "clear" that are rarely wrong."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from zoo.comparison.aggregate import Row
from zoo.comparison.paired import LEVEL, best, differences, over_rows
from zoo.comparison.row_values import RowValues
from zoo.metrics import Metric


def rows_of(values, errors=0.0, better="higher"):
    """Rows of pairs "0", "1", ... from values, (pairs, seeds)."""
    return [
        Row(
            model="m",
            data="d",
            guide=str(pair),
            objective="trace",
            seed=seed,
            steps=1,
            seconds=1.0,
            backend="plain",
            stopped="finished",
            metrics={"elbo": Metric(float(value), errors, "nats", better)},
            skipped={},
            verdict="",
        )
        for pair, line in enumerate(values)
        for seed, value in enumerate(line)
    ]


def test_two_pairs_are_a_paired_t_test():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(2, 6))
    (found,) = differences(rows_of(values), "elbo")
    test = stats.ttest_rel(values[0], values[1])
    assert found.value == pytest.approx(values[0].mean() - values[1].mean(), rel=1e-8)
    assert found.value / found.se == pytest.approx(test.statistic, rel=1e-8)
    assert found.clear == (test.pvalue < LEVEL)


def test_what_seeds_share_falls_out():
    generator = np.random.default_rng(1)
    shared, own = 10 * generator.normal(size=(1, 5)), 0.01 * generator.normal(size=(3, 5))
    found = differences(rows_of(np.array([[0.0], [1.0], [2.0]]) + shared + own), "elbo")
    assert all(one.clear for one in found)
    assert all(one.se < 0.02 for one in found)


@pytest.mark.parametrize("scales", [(1.0, 1.0, 1.0, 1.0), (1.0, 0.01, 0.01, 0.01)])
@pytest.mark.parametrize("seeds", [2, 5])
def test_calls_are_wrong_as_seldom_as_is_said(scales, seeds):
    """Four equal pairs, of which one may vary more than the others: any call is wrong."""
    generator, wrong, tries = np.random.default_rng(2), 0, 1000
    for _ in range(tries):
        own = np.array(scales)[:, None] * generator.normal(size=(4, seeds))
        values = own + generator.normal(size=(1, seeds))
        wrong += any(one.clear for one in differences(rows_of(values), "elbo"))
    assert wrong / tries < LEVEL + 5 * math.sqrt(LEVEL * (1 - LEVEL) / tries)
    assert wrong > 0


def test_the_error_is_at_least_that_of_the_draws():
    (found,) = differences(rows_of([[1.0, 1.0], [2.0, 2.0]], errors=0.6), "elbo")
    assert found.se == pytest.approx(0.6, rel=1e-8)
    assert not found.clear


def test_one_seed_shows_nothing():
    (found,) = differences(rows_of([[1.0], [2.0]], errors=0.001), "elbo")
    assert (found.value, found.clear) == (-1.0, False)
    assert math.isnan(found.se)
    assert best(rows_of([[1.0], [2.0]]), "elbo") is None


@pytest.mark.parametrize(("better", "winner"), [("higher", "2"), ("lower", "0"), ("", None)])
def test_the_best_is_clearly_better_than_all(better, winner):
    noise = 0.01 * np.random.default_rng(3).normal(size=(3, 4))
    found = best(rows_of(np.array([[0.0], [1.0], [2.0]]) + noise, better=better), "elbo")
    assert found == (None if winner is None else (winner, "trace"))
    close = np.array([[0.0], [2.0], [2.0]]) + noise
    assert better != "higher" or best(rows_of(close, better=better), "elbo") is None


def test_nothing_is_the_best_beside_a_pair_that_is_not_whole():
    values = np.array([[0.0], [1.0], [5.0]]) + 0.01 * np.random.default_rng(4).normal(size=(3, 5))
    assert best(rows_of(values[:2]), "elbo") == ("1", "trace")
    assert best(rows_of(values)[:-1], "elbo") is None
    rows = rows_of(values)
    gone = [*rows[:-1], replace(rows[-1], stopped="diverged", metrics={})]
    assert best(gone, "elbo") == ("1", "trace")


def test_rounding_is_no_difference():
    values = np.array([[-1.0] * 3, [-1.0 - 1e-12] * 3])
    assert best(rows_of(values), "elbo") is None


def test_a_pair_that_lacks_a_seed_is_left_out():
    rows = rows_of([[0.0, 0.1], [1.0, 1.1], [5.0, 5.1]])[:-1]
    assert [(one.first[0], one.second[0]) for one in differences(rows, "elbo")] == [("0", "1")]


def crossed(generator, seeds, rows, sds):
    """Differences with effects of seeds, of rows and of both, (seeds, rows), and the first two."""
    a, b, c = sds
    by_seed = a * generator.normal(size=(seeds, 1))
    by_row = b * generator.normal(size=(1, rows))
    return by_seed + by_row + c * generator.normal(size=(seeds, rows)), by_seed, by_row


CROSSED = [
    pytest.param(2, 50, (1.0, 3.0, 3.0), id="two seeds"),
    pytest.param(5, 100, (0.3, 3.0, 1.0), id="rows and seeds alike"),
    pytest.param(5, 100, (0.0, 3.0, 1.0), id="rows alone"),
    pytest.param(5, 100, (1.0, 0.0, 1.0), id="seeds alone"),
    pytest.param(5, 100, (0.0, 0.0, 1.0), id="noise alone"),
]


@pytest.mark.parametrize(("seeds", "rows", "sds"), CROSSED)
def test_each_error_covers_what_it_claims(seeds, rows, sds):
    """95 % intervals for the difference over rows and seeds (0), of these fits, on these rows."""
    generator, tries = np.random.default_rng(7), 2000
    hits = np.zeros((tries, 3))
    for i in range(tries):
        apart, by_seed, by_row = crossed(generator, seeds, rows, sds)
        found, mean = over_rows(apart), apart.mean()
        over_seeds = apart.mean(1).std(ddof=1) / math.sqrt(seeds)
        hits[i] = [
            abs(mean) < stats.t.ppf(0.975, found.freedom) * found.se_both,
            abs(mean - by_seed.mean()) < stats.t.ppf(0.975, rows - 1) * found.se_rows,
            abs(mean - by_row.mean()) < stats.t.ppf(0.975, seeds - 1) * over_seeds,
        ]
    error = math.sqrt(0.05 * 0.95 / tries)
    both, of_fits, on_rows = hits.mean(0)
    assert both > 0.95 - 5 * error
    assert abs(of_fits - 0.95) < 5 * error
    assert abs(on_rows - 0.95) < 5 * error


def test_neither_part_alone_covers_new_rows_and_seeds():
    """The error over rows leaves out training, that over seeds leaves out rows."""
    generator, tries, hits = np.random.default_rng(8), 1000, np.zeros((1000, 2))
    for i in range(tries):
        apart, *_ = crossed(generator, 10, 100, (1.0, 3.0, 1.0))
        over_seeds = apart.mean(1).std(ddof=1) / math.sqrt(10)
        hits[i] = [
            abs(apart.mean()) < stats.t.ppf(0.975, 99) * over_rows(apart).se_rows,
            abs(apart.mean()) < stats.t.ppf(0.975, 9) * over_seeds,
        ]
    assert (hits.mean(0) < 0.95 - 5 * math.sqrt(0.05 * 0.95 / tries)).all()


def test_a_row_that_is_hard_for_both_falls_out():
    generator = np.random.default_rng(9)
    hard, own = 50 * generator.normal(size=(1, 1, 200)), 0.1 * generator.normal(size=(2, 3, 200))
    values = hard + own + np.array([[[1.0]], [[0.0]]])
    (found,) = differences(with_rows(values), "elbo")
    assert found.value == pytest.approx((values[0] - values[1]).mean(), rel=1e-8)
    assert found.se_rows < 0.02
    assert found.clear
    low, high = found.interval()
    assert low < 1.0 < high
    half = stats.t.ppf(0.975, found.freedom) * found.se_both
    assert high - low == pytest.approx(2 * half, rel=1e-8)


def with_rows(values):
    """Rows of pairs with values of single rows, (pairs, seeds, rows), whose mean is the metric."""
    return [
        replace(row, by_row=RowValues(100, {"elbo": line}))
        for row, line in zip(
            rows_of(values.mean(-1)), values.reshape(-1, values.shape[-1]), strict=True
        )
    ]


def test_rows_that_differ_by_chance_are_not_clear():
    """Seeds agree to the last digit on these rows, and other rows would say otherwise."""
    generator, wrong, tries = np.random.default_rng(10), 0, 500
    for _ in range(tries):
        by_row = generator.normal(size=(2, 1, 50))
        values = by_row + 1e-3 * generator.normal(size=(2, 3, 50))
        (found,) = differences(with_rows(values), "elbo")
        wrong += found.clear
        assert found.se < found.se_both
    assert 0 < wrong / tries < LEVEL + 5 * math.sqrt(LEVEL * (1 - LEVEL) / tries)


def test_one_seed_has_an_error_over_rows_alone():
    values = np.random.default_rng(11).normal(size=(2, 1, 80))
    (found,) = differences(with_rows(values), "elbo")
    apart = values[0, 0] - values[1, 0]
    assert found.se_rows == pytest.approx(apart.std(ddof=1) / math.sqrt(80), rel=1e-8)
    assert math.isnan(found.se_both)
    assert math.isnan(found.judged_by)
    assert not found.clear


def test_a_median_over_rows_is_paired_by_seed_alone():
    values = np.random.default_rng(12).normal(size=(2, 3, 80))
    rows = [
        replace(row, metrics={"k_hat": row.metrics["elbo"]}, by_row=RowValues(9, {"k_hat": k}))
        for row, k in zip(rows_of(values.mean(-1)), values.reshape(-1, 80), strict=True)
    ]
    (found,) = differences(rows, "k_hat")
    assert math.isnan(found.se_rows)
    assert found.judged_by == found.se
