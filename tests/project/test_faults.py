"""Kill -9 at any moment loses nothing: what goes on ends as if nothing had happened."""

import sys

import pytest

from benchmarks.robustness import faults as benchmark


@pytest.fixture
def faults(monkeypatch):
    """The benchmark, which is this test at full scale."""
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    return benchmark


SMALL = {
    "fit": ("fit", "eight_schools", "--metrics", "elbo", "--draws", "20", "--steps", "120"),
    "replicas": (40, False),
    "compare": (
        *("compare", "eight_schools", "--guides", "mean_field", "--objectives", "trace,renyi"),
        *("--seeds", "2", "--draws", "20", "--steps", "30"),
    ),
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("replicas", "compare")]


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["fit", *SLOW])
def test_what_was_killed_goes_on_to_the_same_numbers(name, faults, tmp_path, monkeypatch):
    monkeypatch.setitem(faults.JOBS, "small", SMALL[name])
    found = faults.faults("small", 3, tmp_path, seed=1)
    assert found["kills"] == 3
    assert found["equal"] == found["runs"] > 0
    assert found["half_files"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fit, compiled", "replicas, compiled", "compare, compiled"])
def test_the_same_on_the_compiled_path(name, faults, tmp_path):
    found = faults.faults(name, 2, tmp_path)
    assert found["equal"] == found["runs"] > 0
    assert found["half_files"] == 0
