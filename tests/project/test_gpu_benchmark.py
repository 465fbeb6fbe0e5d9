"""The benchmark on a GPU, run on the CPU: rows, time, what was killed, the page, the wheels."""

import argparse
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from steps import interpreted

from benchmarks import records
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import correctness, wheels
from benchmarks.gpu.place import Place
from benchmarks.gpu.rows import PARTS, Row, rows_of
from benchmarks.gpu.speed import SCHOOLS
from benchmarks.pages import gpu as page

ROOT = Path(__file__).parents[2]
CPU = Place("cpu", Path("unused"), small=True)


@pytest.fixture
def single_precision():
    """That of the benchmark."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)


# Rows and time


@pytest.mark.parametrize("small", [True, False])
def test_every_part_has_rows_of_different_names(small):
    rows = rows_of(small=small)
    names = [(row.part, row.name) for row in rows]
    assert len(set(names)) == len(names)
    assert {row.part for row in rows} == set(PARTS)
    assert rows[0].part == "correctness"


def asked(folder, **settings):
    usual = {"out": folder, "minutes": 10.0, "small": False}
    return argparse.Namespace(**usual | settings)


def row(name, expected=60.0, *, goes_on=False):
    return Row("speed", name, lambda place: {}, expected, goes_on)


def test_rows_begin_while_there_is_time_and_those_that_failed_are_tried_again(
    tmp_path, monkeypatch, capsys
):
    begun, answers = [], {"fails": {"error": "no"}, "too long": None}

    def run(one, given, device, seconds):
        begun.append((one.name, seconds))
        return answers.get(one.name, {"zoo_ms": 1.0})

    monkeypatch.setattr(command, "run", run)
    rows = [row("a"), row("fails"), row("large", 700.0), row("too long", 700.0, goes_on=True)]
    results = command.Results(tmp_path, "a GPU", small=False)
    command.measure(rows, asked(tmp_path), "cuda", results)
    assert [name for name, _ in begun] == ["a", "fails", "too long"]
    assert all(560.0 < seconds < 580.0 for _, seconds in begun)
    assert [results.has(one) for one in rows] == [True, False, False, False]
    assert not command.Results(tmp_path, "another GPU", small=False).has(rows[0])
    assert not command.Results(tmp_path, "a GPU", small=True).has(rows[0])
    answers.clear()
    command.measure(rows[1:2], asked(tmp_path), "cuda", results)
    assert [(one["row"], "error" in one) for one in results.of("speed")] == [
        ("a", False),
        ("fails", False),
    ]
    assert {one["device"] for one in results.of("speed")} == {"a GPU"}
    command.measure(rows[2:3], asked(tmp_path, minutes=0.5), "cuda", results)
    assert "large" not in [name for name, _ in begun]
    assert "goes on in the next call" in capsys.readouterr().out


def test_a_row_without_data_is_written_down_with_its_error(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    (one,) = [one for one in rows_of(small=True) if one.part == "published"]
    given = asked(tmp_path, small=True)
    found = command.run(one, given, "cpu", 100.0)
    assert "binarized_mnist" in found["error"]


def start(folder, *options):
    line = [sys.executable, "-m", "benchmarks.gpu", "--out", str(folder), "--device", "cpu"]
    environment = os.environ | {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*line, "--small", *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGTERM, marks=pytest.mark.thorough),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_what_was_killed_goes_on(number, tmp_path):
    """Rows that were written stay as they are, and the others follow."""
    file = tmp_path / "estimators.json"
    first = start(tmp_path, "--parts", "estimators")
    while not file.exists() and first.poll() is None:
        time.sleep(0.1)
    first.send_signal(number)
    first.communicate()
    assert first.returncode == (143 if number == signal.SIGTERM else -9)
    (earlier,) = records.read(file)["rows"]
    second = start(tmp_path, "--parts", "estimators", "--minutes", "5")
    said, _ = second.communicate()
    assert second.returncode == 0
    assert "2 of 2 rows are there, 0 are left." in said
    rows = records.read(file)["rows"]
    assert rows[0] == earlier
    assert [one["steps"] for one in rows] == [20, 40]
    for one in rows:
        assert one["device"].startswith("cpu: ")
        assert one["small"]
        assert one["date"]
        assert all(each["variance"] > 0 for each in one["rows"])
    assert rows[0]["train_elbo"] != rows[1]["train_elbo"]


@pytest.mark.slow
def test_a_smoke_run_of_the_other_parts(tmp_path, data_folder):
    run = start(tmp_path, "--parts", "speed", "main", "published", "--minutes", "30")
    said, _ = run.communicate()
    assert "4 of 4 rows are there" in said
    (fast, several), (job,), (fitted,) = (
        records.read(tmp_path / f"{part}.json")["rows"] for part in ("speed", "main", "published")
    )
    assert fast["zoo_ms"] > 0
    assert fast["by_hand_eager_ms"] > 0
    assert several["replicas"] == 2
    assert job["rows"][0]["metrics"]["elbo"]["value"] < 0
    assert fitted["elbo"][0] < fitted["log_p"][0]
    text = page.page(tmp_path)
    assert "## " not in text  # a smoke run is no result


# Checks that can fail


def test_a_block_that_is_right_and_one_that_is_not(monkeypatch, single_precision):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    for replicas in (1, 2):
        found = correctness.blocks(SCHOOLS, CPU, replicas)
        assert found["right"]
        assert found["losses_are_distinct"]
    rates = correctness.rates_of
    monkeypatch.setattr(
        correctness, "rates_of", lambda update, step, lr: rates(update, step, 2 * lr)
    )
    assert not correctness.blocks(SCHOOLS, CPU)["right"]


def test_gradients_that_are_right_and_some_that_are_not(monkeypatch, single_precision):
    assert correctness.gradients(SCHOOLS, CPU)["right"]
    moved = correctness.moved

    def pushed(trainer, *where):
        trainer = moved(trainer, *where)
        with torch.no_grad():
            trainer.parameters[0].add_(1e-2)
        return trainer

    monkeypatch.setattr(correctness, "moved", pushed)
    assert not correctness.gradients(SCHOOLS, CPU)["right"]


def test_checkpoints_and_a_suite_of_tests(single_precision):
    assert correctness.checkpoints(CPU)["right"]
    found = correctness.tests(CPU, "tests/project/test_layout.py", "")
    assert (found["right"], found["failed"]) == (True, [])
    assert found["counts"]["passed"] > 5
    assert not correctness.tests(CPU, "tests/no_such_file.py", "")["right"]


# The page


def test_the_page_says_which_bars_are_kept(tmp_path):
    common = {"device": "a GPU", "small": False}
    quick = {"zoo_ms": 0.02, "by_hand_graph_ms": 0.018, "pyro_svi_step_ms": 4.0}
    rows = [
        {"row": SCHOOLS} | quick,
        {"row": "hvae/top_down/1", "zoo_ms": 1.0, "pyro_svi_step_ms": 3.0},
        {"row": f"{SCHOOLS}, 1 replicas", "replicas": 1, "zoo_ms": 0.02},
        {"row": f"{SCHOOLS}, 256 replicas", "replicas": 256, "zoo_ms": 0.08},
        {"row": "rows: 1000", "axis": "rows", "size": 1000, "zoo_ms": 0.05, "pyro_ms": 1.0},
        {"row": "batch of 128", "batch": 128, "error": "out of memory"},
    ]
    made = records.made_now()
    records.write(tmp_path / "speed.json", made | {"rows": [one | common for one in rows]})
    text = page.page(tmp_path)
    assert "hand-written CUDA graph: yes, 1.11 at worst, of 1 rows." in text
    assert "SVI.step on small models: yes, 200 at worst, of 1 rows." in text
    assert "256 replicas take at most 3 times one: **no**, 4 at worst" in text
    assert "| rows: 1000 | 0.05 | 1 (20x) | - |" in text
    assert "batch of 128 did not run: out of memory" in text
    assert page.bar("a bar", [], 1.3, max) == "- a bar: not measured."


@pytest.mark.skipif(not page.FOLDER.exists(), reason="no GPU has been measured")
def test_the_page_is_that_of_the_results():
    assert page.PAGE.read_text() == page.page(page.FOLDER)


# Wheels


def test_torch_is_not_among_the_wheels(tmp_path):
    """Empty packages stand for it, and what it brings along is not asked for."""
    assert {"torch>=2.11", "torchvision"} <= set(wheels.requirements())
    for name in wheels.THERE:
        wheels.empty_wheel(name, tmp_path)
    options = ["--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "there")]
    wheels.pip(sys.executable, "install", "--quiet", *options, "torch>=2.11", "torchvision")
    found = {path.name for path in (tmp_path / "there").iterdir()}
    assert found == {f"{name}-9999.dist-info" for name in wheels.THERE}
    with zipfile.ZipFile(tmp_path / "torch-9999-py3-none-any.whl") as wheel:
        assert not [name for name in wheel.namelist() if "dist-info" not in name]


def test_a_python_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="there is no python3.99"):
        wheels.interpreter("3.99")
