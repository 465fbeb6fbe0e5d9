"""Training writes itself down: whatever ends it, it goes on to the numbers of one undisturbed."""

import math
import os
import signal
import sys
import threading
from functools import partial

import pytest
import torch
from small_tasks import ppca_task
from steps import interpreted
from test_checkpoint import same
from test_convergence import Y, conjugate

import zoo
from guides import AmortisedNormal, MeanField
from zoo.compile.step_loop import BLOCK
from zoo.optim.schedules import Linear
from zoo.training.checkpoint import write_record
from zoo.training.compiled_trainer import CompiledTrainer
from zoo.training.trainer import Trainer

TASK = ppca_task()
fit = partial(zoo.fit, TASK, AmortisedNormal, steps=30, batch_size=8)


@pytest.fixture
def uncompiled(monkeypatch):
    """What does not depend on the code generator goes without it."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)


class Died(BaseException):
    """The process is gone: nobody catches it."""


def dies(monkeypatch, kind, at):
    """From here on, the `at`-th block of steps kills the fit; a slow disk makes none shorter."""
    monkeypatch.setattr("zoo.training.loop.BLOCK_SECONDS", math.inf)
    advance, calls = kind.advance, []

    def fatal(self, count):
        calls.append(count)
        if len(calls) == at:
            raise Died
        return advance(self, min(count, 7))

    monkeypatch.setattr(kind, "advance", fatal)


SETTINGS = {
    "plain": {},
    "validated": {"patience": 9, "valid_every": 4},
    "schedules": {"kl_weight": Linear(0.0, 1.0, 20), "clip_norm": 9.0},
}


@pytest.mark.thin(6)
@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_fit_that_died_goes_on_from_its_checkpoint(case, at, tmp_path, monkeypatch):
    place, settings = zoo.Checkpoint(tmp_path, seconds=0), SETTINGS[case]
    whole = fit(**settings)
    dies(monkeypatch, Trainer, at)
    with pytest.raises(Died):
        fit(checkpoint=place, **settings)
    monkeypatch.undo()
    there = zoo.load_fit(tmp_path, TASK)
    assert there.stopped == "unfinished"
    assert torch.equal(there.losses, whole.losses[: len(there.losses)])
    assert len(there.losses) == 0 if at == 1 else 0 < len(there.losses) < 30
    assert same(fit(checkpoint=place, resume=tmp_path, **settings), whole)
    assert same(zoo.load_fit(tmp_path, TASK), whole)
    assert same(fit(checkpoint=place, resume=tmp_path, **settings), whole)  # nothing left to do


def test_a_fit_that_died_after_its_last_step_ends(tmp_path, monkeypatch):
    """The last checkpoint has all steps, and the fit had no time to end."""
    whole = fit()

    def fatal(*_):
        raise Died

    monkeypatch.setattr("zoo.training.loop.Checkpointer.end", fatal)
    with pytest.raises(Died):
        fit(checkpoint=zoo.Checkpoint(tmp_path, seconds=0))
    monkeypatch.undo()
    there = zoo.load_fit(tmp_path, TASK)
    assert (there.stopped, len(there.losses)) == ("unfinished", 30)
    on = fit(checkpoint=tmp_path, resume=tmp_path)
    assert same(on, whole)
    assert on.stopped == "finished"


@pytest.mark.thorough
def test_a_fit_that_watches_its_iterates_goes_on(tmp_path, monkeypatch):
    settings = {"until": "converged", "tolerance": 0.15, "lr": 0.02, "steps": 20_000}
    watched = partial(zoo.fit, conjugate, MeanField, Y, seed=1, compile=False, **settings)
    whole = watched()
    dies(monkeypatch, Trainer, len(whole.losses) // 20)  # in its second stage
    place = zoo.Checkpoint(tmp_path, seconds=0.2)
    with pytest.raises(Died):
        watched(checkpoint=place)
    monkeypatch.undo()
    on = watched(checkpoint=place, resume=tmp_path)
    assert same(on, whole)
    assert (on.stopped, on.convergence) == ("converged", whole.convergence)


@pytest.mark.thin(3)
@pytest.mark.parametrize("at", [1, 2, 4])
def test_replicas_that_died_go_on_together(at, uncompiled, tmp_path, monkeypatch):
    place = zoo.Checkpoint(tmp_path, seconds=0)
    several = partial(fit, replicas=3, compile=True, steps=24)
    whole = several()
    dies(monkeypatch, CompiledTrainer, at)
    with pytest.raises(Died):
        several(checkpoint=place)
    monkeypatch.undo()
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    on = several(checkpoint=place, resume=tmp_path)
    assert all(same(*both) for both in zip(on, whole, strict=True))
    assert [one.backend for one in on] == ["compiled"] * 3


@pytest.mark.thorough
def test_a_replica_that_diverged_stays_as_it_ended(uncompiled, tmp_path, monkeypatch):
    rates = {"lr": [1e-6, 1e6, 1e-6], "optimizer": "sgd", "steps": BLOCK + 20}
    several = partial(zoo.fit, TASK, AmortisedNormal, replicas=3, compile=True, **rates)
    with pytest.warns(UserWarning, match="Seed 1: the loss or its gradient is not finite"):
        whole = several()
    dies(monkeypatch, CompiledTrainer, 3)
    with pytest.raises(Died), pytest.warns(UserWarning, match="Seed 1"):
        several(checkpoint=zoo.Checkpoint(tmp_path, seconds=0))
    monkeypatch.undo()
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    on = several(checkpoint=tmp_path, resume=tmp_path)
    assert [one.stopped for one in on] == ["finished", "diverged", "finished"]
    for first, second in zip(on, whole, strict=True):
        if first.stopped == "finished":
            assert same(first, second)


def test_replicas_one_after_another_go_on(tmp_path, monkeypatch):
    several = partial(fit, replicas=3, compile=False)
    whole, ended = several(), []
    place = zoo.Checkpoint(tmp_path, seconds=0, ended=ended.append)
    dies(monkeypatch, Trainer, 8)  # in the second replica
    with pytest.raises(Died):
        several(checkpoint=place)
    monkeypatch.undo()
    assert [one.settings.seed for one in ended] == [0]
    with pytest.raises(ValueError, match=r"holds replicas \[0, 1\]; got replica=2"):
        zoo.load_fit(tmp_path, TASK, replica=2)
    on = several(checkpoint=place, resume=tmp_path)
    assert all(same(*both) for both in zip(on, whole, strict=True))
    assert [one.settings.seed for one in ended] == [0, 0, 1, 2]


def test_a_folder_is_tried_before_training(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("it was trained")

    monkeypatch.setattr(sys.modules["zoo.training.launch"], "prepare", refuse)
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="Cannot write to checkpoint"):
            fit(checkpoint=place)
    with pytest.raises(ValueError, match="Expected checkpoint to be a path; got ''"):
        fit(checkpoint="")
    for resume in (None, tmp_path):
        with pytest.raises(ValueError, match="is not empty: it holds file. Pass resume="):
            fit(checkpoint=tmp_path, resume=resume)
    with pytest.raises(ValueError, match="there is no fit.json"):
        fit(resume=tmp_path)
    with pytest.raises(ValueError, match="Expected seconds of at least 0; got -1"):
        zoo.Checkpoint(tmp_path, seconds=-1)
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_what_a_killed_process_left_is_no_fit(tmp_path):
    fit(checkpoint=tmp_path)
    write_record(tmp_path, {"fit": None})
    (tmp_path / ".fit.json.7.partial").write_text("{")
    (tmp_path / f"state-{'0' * 16}.safetensors").write_text("half")
    with pytest.raises(ValueError, match="ended before its first checkpoint"):
        zoo.load_fit(tmp_path, TASK)
    found = fit(checkpoint=tmp_path, resume=tmp_path)
    assert same(found, zoo.load_fit(tmp_path, TASK))
    assert len(list(tmp_path.iterdir())) == 2


def full_disk(monkeypatch, since):
    """From the `since`-th file on, half of it is written, and then the disk is full."""
    calls, fsync = [], os.fsync

    def full(handle):
        calls.append(handle)
        if len(calls) >= since:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr("zoo.files.os.fsync", full)


def test_a_disk_that_fills_up_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    whole = fit()
    full_disk(monkeypatch, 9)
    with (
        pytest.warns(UserWarning, match="No checkpoint at step .*No space left on device"),
        pytest.raises(zoo.SaveError, match="ended but could not be written") as caught,
    ):
        fit(checkpoint=zoo.Checkpoint(tmp_path, seconds=0))
    monkeypatch.undo()
    assert same(caught.value.fit, whole)
    assert not list(tmp_path.glob(".*"))
    assert zoo.load_fit(tmp_path, TASK).stopped == "unfinished"
    assert same(fit(checkpoint=tmp_path, resume=tmp_path), whole)


def test_a_disk_that_is_full_is_met_before_training(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("it was trained")

    full_disk(monkeypatch, 1)
    monkeypatch.setattr(Trainer, "advance", refuse)
    with pytest.raises(OSError, match="No space left"):
        fit(checkpoint=tmp_path)
    assert list(tmp_path.iterdir()) == []


# SIGTERM


def terminated(monkeypatch, at=3):
    """The process is told to end in the `at`-th block of steps."""
    advance, calls = Trainer.advance, []

    def told(self, count):
        calls.append(count)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return advance(self, min(count, 5))

    monkeypatch.setattr(Trainer, "advance", told)


@pytest.mark.parametrize("settings", [{}, {"replicas": 2, "compile": False}])
def test_sigterm_saves_and_stops(settings, tmp_path, monkeypatch):
    whole, before = fit(**settings), signal.getsignal(signal.SIGTERM)
    terminated(monkeypatch)
    with pytest.raises(SystemExit) as caught:
        fit(checkpoint=tmp_path, **settings)
    monkeypatch.undo()
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    there = zoo.load_fit(tmp_path, TASK, replica=0 if settings else None)
    assert there.stopped == "interrupted"
    assert 0 < len(there.losses) < 30
    on = fit(checkpoint=tmp_path, resume=tmp_path, **settings)
    on, whole = (found if settings else [found] for found in (on, whole))
    assert all(same(*both) for both in zip(on, whole, strict=True))


def test_a_handler_of_the_programs_own_has_its_turn(tmp_path, monkeypatch):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(len(list(tmp_path.iterdir()))))
    try:
        terminated(monkeypatch)
        found = fit(checkpoint=tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert found.stopped == "interrupted"
    assert heard == [2]  # the fit is written by then


def test_a_thread_and_a_fit_without_a_folder_leave_signals_alone(tmp_path):
    found, before = [], signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: found.append(fit(checkpoint=tmp_path)))
    thread.start()
    thread.join()
    assert same(found[0], fit())
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_fit_from_a_machine_with_gpus_goes_on_without_them(tmp_path):
    """Its state of the GPUs' random numbers is left out."""
    first = fit(steps=5)
    first.last["cuda_random"] = [torch.zeros(16, dtype=torch.uint8)]
    zoo.save(first, tmp_path / "fit")
    loaded = zoo.load_fit(tmp_path / "fit", TASK, device="cpu")
    assert torch.equal(loaded.losses, first.losses)
    again = fit(steps=9, resume=tmp_path / "fit")
    assert torch.equal(again.losses, fit(steps=9).losses)
