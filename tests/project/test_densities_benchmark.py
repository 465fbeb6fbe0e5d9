"""The comparison of explicit densities with autoencoders: its rows, its page, its claims."""

import math

import pytest
import torch

from benchmarks import records
from benchmarks.densities import __main__ as command
from benchmarks.densities.rows import DIGITS, MNIST
from benchmarks.pages import densities as pages


@pytest.fixture(scope="module")
def record():
    return records.read(pages.RESULT)


def test_the_page_is_that_of_the_results(record):
    assert pages.PAGE.read_text() == pages.page(record)


def test_every_row_was_measured_for_its_steps(record):
    for table, rows in (("digits", DIGITS), ("mnist", MNIST)):
        for row in rows:
            each = pages.of(record["rows"], table, row)
            assert [one["seed"] for one in each] == list(range(len(each)))
            assert each or table == "mnist"  # an hour on a CPU; the page says which are there
            assert {one["steps"] for one in each} <= {row.steps}


def test_values_and_errors_are_those_of_the_rows(record):
    small = [one for one in record["rows"] if one["table"] == "digits"]
    for one in small:
        values = torch.tensor(one["by row"]).double()
        assert len(values) == one["test rows"]
        assert math.isclose(one["error over rows"], float(values.std()) / 360**0.5, rel_tol=1e-2)
        if one["exact"]:
            assert math.isclose(float(values.mean()), one["log_evidence"][0], rel_tol=1e-4)
            assert one["log_evidence"][1] == 0


def test_draws_are_pictures(record):
    for one in record["rows"]:
        height, width = one["image"]
        drawn = pages.bits(one)
        assert drawn.shape == (height, command.SHOWN * (width + max(1, width // 8)))
        assert set(drawn.flatten().tolist()) == {0.0, 0.5, 1.0}


def test_a_row_is_measured_once_and_kept(tmp_path):
    path = tmp_path / "densities.json"
    command.keep(path, "digits", DIGITS[0], 0, share=0.003)
    command.keep(path, "digits", DIGITS[0], 1, share=0.003)
    command.keep(path, "digits", DIGITS[0], 1, share=0.003)
    first, second = command.rows_of(path)
    assert (first["seed"], second["seed"], first["steps"]) == (0, 1, 3)
    assert command.held(path, "digits", DIGITS[0], 1)
    assert not command.held(path, "digits", DIGITS[1], 1)
    assert pages.bits(first).shape == (8, 90)
