"""A comparison is written run by run, and goes on from what is whole."""

import json
import shutil

import pytest
import torch
from small_tasks import ppca_task
from typer.testing import CliRunner

import zoo
from zoo.cli.app import app
from zoo.comparison.compare import compare
from zoo.evaluation.evaluate import evaluate
from zoo.training.trainer import Trainer

GUIDES, OBJECTIVES = ("amortised_normal",), ("trace", "iwae")
RUNS = [f"amortised_normal-{o}-seed{s}" for o in OBJECTIVES for s in (0, 1)]
STEPS, DRAWS = 4, 20


def compared(out=None, **settings):
    """Two objectives, two seeds each, a checkpoint after every block."""
    settings = {"seeds": 2, "steps": STEPS, "draws": DRAWS, "seconds": 0.0} | settings
    return compare(ppca_task(), GUIDES, objectives=OBJECTIVES, out=out, **settings)


class Died(BaseException):
    """The process is gone: nobody catches it."""


def ends(monkeypatch, step, error):
    """Training ends with an error after so many steps of all runs; blocks are one step."""
    advance, taken = Trainer.advance, []

    def ending(self, count):
        if len(taken) == step:
            raise error
        taken.append(None)
        return advance(self, 1)

    monkeypatch.setattr(Trainer, "advance", ending)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The comparison that nothing disturbed, and its folder."""
    out = tmp_path_factory.mktemp("whole") / "out"
    return compared(out), out


def same_results(found, whole):
    assert list(found.fits) == list(whole.fits)
    for name, result in found.fits.items():
        assert torch.equal(result.losses, whole.fits[name].losses)
    for mine, other in zip(found.rows, whole.rows, strict=True):
        assert mine.metrics == other.metrics
        assert (mine.objective, mine.seed) == (other.objective, other.seed)
    assert found.unfinished == whole.unfinished == {}
    return True


@pytest.mark.thin(3)
@pytest.mark.parametrize("step", [1, 6, 15])
def test_a_comparison_that_died_goes_on(step, whole, tmp_path, monkeypatch):
    ends(monkeypatch, step, Died)
    with pytest.raises(Died):
        compared(tmp_path)
    monkeypatch.undo()
    record = json.loads((tmp_path / "results.json").read_text())
    kept = [f"{row['guide']}-{row['objective']}-seed{row['seed']}" for row in record["rows"]]
    assert kept == RUNS[: step // STEPS]
    assert [*kept, *record["unfinished"]] == RUNS
    for name in kept:
        assert zoo.load_fit(tmp_path / "runs" / name, ppca_task()).stopped == "finished"
    advance, taken = Trainer.advance, []
    monkeypatch.setattr(Trainer, "advance", lambda s, n: taken.append(n) or advance(s, n))
    assert same_results(compared(tmp_path, resume=True), whole[0])
    assert sum(taken) == STEPS * len(RUNS) - step
    assert {path.name for path in tmp_path.iterdir()} == {
        "results.json",
        "losses.png",
        "losses.svg",
        "report.html",
        "runs",
    }


def test_what_is_whole_is_not_done_again(whole, tmp_path, monkeypatch):
    out = shutil.copytree(whole[1], tmp_path / "out")
    monkeypatch.setattr(Trainer, "advance", lambda *_: pytest.fail("it was trained"))
    assert same_results(compared(out, resume=True), whole[0])


@pytest.mark.thorough
def test_ctrl_c_stops_and_keeps_what_is_whole(whole, tmp_path, monkeypatch):
    ends(monkeypatch, STEPS + 3, KeyboardInterrupt)
    found = compared(tmp_path)
    monkeypatch.undo()
    assert found.interrupted
    assert list(found.fits) == RUNS[:1]
    assert [row.stopped for row in found.rows] == ["finished"]
    assert found.unfinished == {
        RUNS[1]: "interrupted at step 3 of 4",
        RUNS[2]: "not begun",
        RUNS[3]: "not begun",
    }
    record = json.loads((tmp_path / "results.json").read_text())
    assert (len(record["rows"]), record["unfinished"]) == (1, found.unfinished)
    assert same_results(compared(tmp_path, resume=True), whole[0])


def test_the_command_says_what_is_unfinished(monkeypatch, tmp_path):
    ends(monkeypatch, 3, KeyboardInterrupt)
    words = ("compare", "eight_schools", "--guides", "mean_field", "--objectives", "trace")
    words += ("--steps", "9", "--draws", "20", "--seeds", "1", "--out", str(tmp_path / "out"))
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 130
    assert "mean_field-trace-seed0: interrupted at step 3 of 9" in result.stdout
    assert "Go on with the same command and --resume." in result.stdout


@pytest.mark.thorough
def test_scoring_that_was_interrupted_is_done_again(whole, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo.comparison.runs.evaluate", interrupt)
    found = compared(tmp_path)
    assert found.unfinished[RUNS[0]] == "trained, not scored"
    monkeypatch.setattr("zoo.comparison.runs.evaluate", evaluate)
    assert same_results(compared(tmp_path, resume=True), whole[0])


def test_other_settings_are_refused(whole):
    for settings, sentence in (
        ({"steps": 9}, "steps: saved 4, now 9"),
        ({"seeds": 3}, "seeds: saved 2, now 3"),
        ({"lr": 0.5}, "lr: saved None, now 0.5"),
    ):
        with pytest.raises(ValueError, match=sentence):
            compared(whole[1], resume=True, **settings)


def test_nothing_is_overwritten_unasked(whole, tmp_path):
    out = shutil.copytree(whole[1], tmp_path / "out")
    with pytest.raises(
        ValueError, match="is not empty: it holds losses.png, losses.svg, report.html, ..."
    ):
        compared(out)
    results = out / "results.json"
    results.write_text(results.read_text().replace("trace", "trac"))
    with pytest.raises(ValueError, match="results.json is damaged"):
        compared(out, resume=True)
    (out / "amortised_iaf-trace-seed7.nc").write_text("of an earlier comparison")
    assert same_results(compared(out, force=True), whole[0])
    assert {path.name for path in out.iterdir()} == {
        "results.json",
        "losses.png",
        "losses.svg",
        "report.html",
        "runs",
    }


def test_writing_leaves_the_random_state_alone(tmp_path):
    before = torch.get_rng_state()
    compared(tmp_path, steps=2, seeds=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.thorough
def test_runs_of_equal_budget_go_on(tmp_path, monkeypatch):
    settings = {"steps": None, "budget": 20, "seeds": 1}
    whole = compared(tmp_path / "whole", **settings)
    ends(monkeypatch, 5, Died)
    with pytest.raises(Died):
        compared(tmp_path / "died", **settings)
    monkeypatch.undo()
    found = compared(tmp_path / "died", resume=True, **settings)
    assert same_results(found, whole)
    assert found.curves == whole.curves
