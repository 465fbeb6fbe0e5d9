"""Differences paired by seed: errors that hold, and calls of "clear" that are rarely wrong."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from zoo.comparison.aggregate import Row
from zoo.comparison.paired import LEVEL, best, differences
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
