"""Runs of a sweep in other processes, in a folder, and after a kill: always the same numbers."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch
from swept import scores, swept

from zoo.training.trainer import Trainer

ROOT = Path(__file__).parents[2]


class Died(BaseException):
    """The process is gone: nobody catches it."""


@pytest.mark.parametrize("runs", [0, 3])
def test_a_sweep_that_died_goes_on(runs, whole, tmp_path, monkeypatch):
    advance, begun = Trainer.advance, []

    def dying(self, count):
        begun.append(self.step == 0)
        if sum(begun) > runs:
            raise Died
        return advance(self, count)

    monkeypatch.setattr(Trainer, "advance", dying)
    with pytest.raises(Died):
        swept(out=tmp_path)
    monkeypatch.undo()
    assert len(list((tmp_path / "runs").glob("*"))) == runs
    monkeypatch.setattr(
        Trainer, "advance", lambda s, n: begun.append(s.step == 0) or advance(s, n)
    )
    begun.clear()
    found = swept(out=tmp_path)
    assert sum(begun) == 6 - runs == 6 - found.kept
    assert scores(found) == scores(whole[0])
    assert found.test == whole[0].test


def shell(*words):
    """The command line in a process of its own, as one that can be killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "zoo", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_sweep_that_was_killed_gives_the_same_table(jobs, tmp_path):
    """By SIGKILL in the middle; the same command then goes on."""
    words = ("sweep", "ppca", "--lr", "1e-3,0.02", "--steps", "600", "--seeds", "2", "--json")
    words += ("--draws", "20", "--jobs", jobs)
    died, whole = tmp_path / "died", tmp_path / "whole"
    first = shell(*words, "--out", str(died))
    while not list((died / "runs").glob("a*")):
        assert first.poll() is None
        time.sleep(0.02)
    first.kill()
    first.communicate()
    kept = len(list((died / "runs").glob("a*")))
    assert 0 < kept < 4
    tables = []
    for folder in (died, whole):
        done = shell(*words, "--out", str(folder))
        printed = json.loads(done.communicate()[0])
        assert done.returncode == 0
        tables.append(
            [printed["best"], printed["test"], [one["value"] for one in printed["scores"]]]
        )
    assert tables[0] == tables[1]


def test_what_is_whole_is_not_done_again(whole, monkeypatch):
    monkeypatch.setattr(Trainer, "advance", lambda *_: pytest.fail("it was trained"))
    found = swept(out=whole[1])
    assert str(found).replace("\n", "") != ""
    assert scores(found) == scores(whole[0])
    record = json.loads((whole[1] / "sweep.json").read_text())
    assert record["best"] == str(found.best)
    assert [one["value"]["value"] for one in record["scores"]] == [
        value.value for value in scores(found).values()
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lr": [1e-4, 0.1]}, r"lr: saved \[0.0001, 0.3, 0.02\], now \[0.0001, 0.1\]"),
        ({"steps": 40}, "steps: saved 30, now 40"),
        ({"seeds": 3}, "seeds: saved 2, now 3"),
        ({"metric": "iwae_10"}, "metric: saved 'elbo', now 'iwae_10'"),
        ({"batch_size": [10, 20]}, r"batch_size: saved 'auto', now \[10, 20\]"),
    ],
)
def test_a_changed_sweep_over_an_old_folder_is_refused(change, said, whole):
    with pytest.raises(ValueError, match=said) as caught:
        swept(out=whole[1], **change)
    assert "--force" in str(caught.value)


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty: it holds notes.txt"):
        swept(out=tmp_path)


def test_damaged_files_are_refused(tmp_path):
    found = swept(out=tmp_path, lr=[0.02], seeds=1)
    row = tmp_path / "runs" / found.settings[0].run(0) / "run.json"
    row.write_text(row.read_text().replace("finished", "diverged"))
    with pytest.raises(ValueError, match="is damaged or was changed by hand"):
        swept(out=tmp_path, lr=[0.02], seeds=1)
    again = swept(out=tmp_path, lr=[0.02], seeds=1, force=True)
    assert scores(again) == scores(found)


def test_two_jobs_give_the_numbers_of_one(whole):
    found = swept(jobs=2)
    assert scores(found) == scores(whole[0])
    assert list(found.rows) == list(whole[0].rows)
    assert found.test == whole[0].test


def test_threads_give_the_numbers_of_one(whole):
    assert scores(swept(jobs=2, backend="threading")) == scores(whole[0])


def test_each_run_is_told_of_as_it_ends(whole):
    told = []
    found = swept(on_progress=told.append)
    assert sorted(one.run for one in told) == sorted(found.rows)
    assert {one.step for one in told} == {30}


def test_a_run_that_fails_does_not_end_the_others():
    found = swept(guides={"good": "amortised_normal", "bad": failing_guide}, lr=[0.02], seeds=1)
    assert list(found.rows) == ["good-trace-lr=0.02-seed0"]
    (said,) = found.failed.values()
    assert "failed with RuntimeError: no such guide" in said
    assert found.best.guide == "good"
    assert [one.ends for one in found.scores] == ["1 finished", "1 failed"]
    with pytest.raises(ValueError, match="Every run failed; bad-trace.*no such guide"):
        swept(guides={"bad": failing_guide}, lr=[0.02], seeds=1)


def deadly_guide(x):
    """A guide that ends its process where it is trained."""
    if multiprocessing.parent_process() is not None:
        os._exit(1)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))


@pytest.mark.thorough
def test_a_process_that_was_killed_is_said(tmp_path):
    with pytest.raises(ChildProcessError, match="go on with fewer than 2 jobs"):
        swept(guides={"deadly": deadly_guide}, lr=[0.1, 0.2], jobs=2, out=tmp_path)


def failing_guide(x):
    """A guide that cannot be run after it was checked."""
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    if len(x) > 0 and torch.is_grad_enabled():
        raise RuntimeError("no such guide")


@pytest.mark.parametrize("name", ["ray", "dask"])
def test_a_backend_that_is_not_installed_is_said(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=f"backend '{name}' needs the package {name}.*-m pip"):
        swept(backend=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_cluster_of_this_machine_gives_the_same_numbers(name, whole, tmp_path):
    pytest.importorskip({"dask": "distributed"}.get(name, name))
    found = swept(jobs=2, backend=name, out=tmp_path)
    assert scores(found) == scores(whole[0])
    assert found.test == whole[0].test
