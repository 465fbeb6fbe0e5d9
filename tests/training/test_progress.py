"""`on_progress` is told how far a fit is, on every path, and changes nothing of it."""

import pytest
import torch
from small_tasks import ppca_task
from steps import interpreted

import zoo
from guides import AmortisedNormal
from zoo.optim.schedules import Linear
from zoo.training.checkpointer import Checkpoint

TASK, STEPS = ppca_task(), 30


def fit(**settings):
    return zoo.fit(TASK, AmortisedNormal, **({"steps": STEPS} | settings))


@pytest.fixture(params=[False, True], ids=["plain", "compiled"])
def compiled(request, monkeypatch):
    """Both paths; the compiled one without the code generator, which other tests cover."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    return request.param


def test_every_step_is_told_once(compiled):
    told = []
    result = fit(compile=compiled, on_progress=told.append)
    assert result.backend == ("compiled" if compiled else "plain")
    assert torch.equal(torch.cat([one.losses for one in told]), result.losses)
    reached = torch.tensor([len(one.losses) for one in told]).cumsum(0)
    assert [one.step for one in told] == reached.tolist()
    last = told[-1]
    assert (last.run, last.seed, last.step, last.steps) == ("seed0", 0, STEPS, STEPS)
    assert (last.rows, last.loss) == (40, float(result.losses[-1]))
    assert 0 < last.seconds <= result.seconds
    assert last.seconds_left == 0
    seconds = [one.seconds for one in told]
    assert seconds == sorted(seconds)


def test_replicas_are_told_of_one_by_one(compiled):
    told = []
    fits = fit(compile=compiled, replicas=3, lr=[0.01, 0.02, 0.03], on_progress=told.append)
    for seed, result in enumerate(fits):
        own = [one for one in told if one.run == f"seed{seed}"]
        assert torch.equal(torch.cat([one.losses for one in own]), result.losses)
        assert {one.lr for one in own} == {0.01 * (seed + 1)}


def test_the_rate_is_that_of_the_last_step(compiled):
    """Half way of a schedule that falls from 1 to 0."""
    told = []
    fit(compile=compiled, lr=0.1, lr_schedule=Linear(1.0, 0.0, STEPS), on_progress=told.append)
    for one in told:
        assert one.lr == pytest.approx(0.1 * (1 - (one.step - 1) / STEPS))


def test_what_it_does_changes_nothing(compiled):
    def draws(progress):
        torch.randn(3)
        zoo.fit(TASK, AmortisedNormal, steps=2, compile=False)

    assert torch.equal(
        fit(compile=compiled, on_progress=draws).losses, fit(compile=compiled).losses
    )


def test_a_fit_without_steps_is_told_at_its_end():
    told = []
    result = zoo.fit(zoo.load("eight_schools"), "mean_field", on_progress=told.append)
    (only,) = told
    assert (only.step, only.rows) == (len(result.losses), 1)
    assert torch.equal(only.losses, result.losses)
    assert only.lr != only.lr  # not a number: no rate


def test_an_error_in_it_ends_the_fit_and_is_raised(compiled, tmp_path):
    def fails(progress):
        if progress.step > 5:
            raise LookupError("no such plot")

    place = Checkpoint(tmp_path, seconds=0.0)
    with pytest.raises(LookupError, match="no such plot"):
        fit(compile=compiled, on_progress=fails, checkpoint=place)
    again = fit(compile=compiled, checkpoint=place, resume=tmp_path)
    assert torch.equal(again.losses, fit(compile=compiled).losses)


def test_it_can_end_a_fit_that_keeps_what_is_trained():
    told = []

    def enough(progress):
        told.append(progress.step)
        if progress.step >= 3:
            raise KeyboardInterrupt

    result = fit(on_progress=enough)
    assert result.stopped == "interrupted"
    assert 3 <= len(result.losses) == told[-1] < STEPS
    whole = zoo.fit(TASK, AmortisedNormal, steps=STEPS, resume=result)
    assert torch.equal(whole.losses, fit().losses)


def test_runs_of_a_comparison_are_told_apart():
    told = []
    objectives = ["trace", "iwae"]
    found = zoo.compare(
        TASK, ["amortised_normal"], objectives=objectives, seeds=2, steps=3, draws=20,
        on_progress=told.append,
    )  # fmt: skip
    assert {one.run for one in told} == set(found.fits)
    for name, result in found.fits.items():
        own = [one.losses for one in told if one.run == name]
        assert torch.equal(torch.cat(own), result.losses)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ValueError, match="Expected on_progress to be a function; got 'print'"):
        fit(on_progress="print")
