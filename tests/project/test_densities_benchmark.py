"""The comparison of explicit densities with autoencoders: its rows, its page, its claims."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import zoo
from benchmarks import records
from benchmarks.densities import __main__ as command
from benchmarks.densities import grey
from benchmarks.densities.rows import DIGITS, GREY, MNIST
from benchmarks.pages import densities as pages


@pytest.fixture(scope="module")
def record():
    return records.read(pages.RESULT)


def test_the_page_is_that_of_the_results(record):
    assert pages.PAGE.read_text() == pages.page(record)


def test_every_row_was_measured_for_its_steps(record):
    for table, rows in (("digits", DIGITS), ("grey", GREY), ("mnist", MNIST)):
        for row in rows:
            each = pages.of(record["rows"], table, row)
            assert [one["seed"] for one in each] == list(range(len(each)))
            assert each or table != "digits"  # the page says how to add rows to the other two
            assert {one["steps"] for one in each} <= {row.steps}


def test_levels_of_flows_and_of_models_of_levels_are_one_quantity():
    """A flow whose density is uniform on the cube gives each of 17 levels the same probability."""

    class Uniform(nn.Module):
        def log_evidence(self, y):
            return torch.zeros(len(y))

    task = zoo.load("realnvp", data="digits_dequantised")
    fit = SimpleNamespace(task=task, model=Uniform())
    (bound, _), (value, error) = grey.of_noise(fit)
    assert torch.allclose(bound, torch.full((360,), -64 * math.log(17)).double())
    assert torch.allclose(value, bound)
    assert float(error.max()) == 0


@pytest.mark.parametrize("model", ["realnvp", "vae", "dequantised_vae", "made"])
def test_rows_of_grey_levels_are_scored_and_drawn(model):
    row = next(row for row in GREY if row.task().name == model)
    fit = command.trained(row, row.task(), 0, 2, None)
    found = command.about(fit) | grey.measured(fit) | {"table": "grey"}
    assert found["bound"][0] <= found["log_evidence"][0] < 0
    assert (found["bound"] == found["log_evidence"]) == (found["kind"] == "exact")
    drawn = pages.bits(found)
    assert drawn.shape == (8, 90)
    assert 0 <= drawn.min() < drawn.max() <= 1


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
    for one in (row for row in record["rows"] if row["table"] != "grey"):
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
