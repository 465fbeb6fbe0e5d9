"""The benchmark of energies: its rows, its page, and what it says of log Z."""

import math

import numpy as np
import pytest

from benchmarks import records
from benchmarks.densities import energies as command
from benchmarks.pages import energies as pages


@pytest.fixture(scope="module")
def record():
    return records.read(pages.RESULT)


def test_the_page_is_that_of_the_results(record):
    assert pages.PAGE.read_text() == pages.page(record)


def test_every_row_was_measured_for_its_steps(record):
    assert [one["name"] for one in pages.ordered(record)] == [row.name for row in command.ROWS]
    for row, one in zip(command.ROWS, pages.ordered(record), strict=True):
        assert (one["steps"], one["published"]) == (row.steps, row.published)
        assert one["test rows"] == command.TEST_ROWS


def test_annealing_finds_the_sum_where_there_is_one(record):
    (one,) = [one for one in record["rows"] if not one["log Z"][1]]
    value, error, _ = one["log Z by AIS"]
    assert abs(value - one["log Z"][0]) < 3 * error


def test_errors_hold_that_of_log_z(record):
    for one in record["rows"]:
        assert one["log_evidence"][1] >= one["log Z"][1] * (1 - 1e-9)
        assert one["elbo"][0] <= one["log_evidence"][0] + 1e-6


def test_what_the_page_says_of_the_short_fits(record):
    """Five sweeps are ahead of one by more than the errors; two pairs are within theirs."""
    found = {one["name"]: one["log_evidence"] for one in record["rows"]}
    (cd, cd_error), (pcd, error) = found["RBM, 200 units, CD-1"], found["RBM, 200 units, PCD"]
    assert abs(pcd - cd) < math.hypot(cd_error, error)
    five, five_error = found["RBM, 200 units, PCD-5"]
    assert five - pcd > 5 * math.hypot(five_error, error)
    dbn, dbn_error = found["DBN, 200 and 784 units, PCD-10"]
    assert abs(dbn - five) < math.hypot(dbn_error, five_error)


def test_what_the_page_says_of_the_long_fits(record):
    """Two sides of one log Z are nats apart, and errors say so; no order is claimed."""
    found = {one["name"]: one for one in record["rows"]}
    rbm, dbn = (found[row.name] for row in command.ROWS if row.long)
    for one in (rbm, dbn):
        left, right = one["sides"]
        assert one["log Z"][0] == max(left, right)
        assert one["log Z"][1] >= abs(left - right) > 3
    assert abs(dbn["elbo"][0] - rbm["log_evidence"][0]) < dbn["elbo"][1]
    left_alone = rbm["log Z"][0] - rbm["sides"][0] + rbm["log_evidence"][0]
    assert -left_alone < rbm["published"] + 2 < -rbm["log_evidence"][0]


def test_pictures(record):
    for one in record["rows"]:
        height, width = one["image"]
        shown = pages.weights(one)
        assert shown.shape == (height, command.FILTERS * (width + max(1, width // 8)))
        assert 1 <= shown.min()
        assert np.isin(pages.bits(one | {"table": "mnist"}), (0.0, 0.5, 1.0)).all()
