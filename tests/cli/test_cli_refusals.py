"""How the command line says no: in one line, and before it trains."""

from pathlib import Path

import pytest
from command_line import FEW, refused

import zoo

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fit", "pcpa"], "No model named 'pcpa'. Did you mean 'ppca'?"),
        (["fit", "ppca", "--guide", "amortised_iav"], "Did you mean 'amortised_iaf'?"),
        (["fit", "ppca", "--objective", "trase"], "Did you mean 'trace'?"),
        (["fit", "ppca", "--data", "digit"], "Did you mean 'digits'?"),
        (["fit", "ppca", "--data", "eight_schools"], "ppca takes ('x',); data 'eight_schools'"),
        (
            ["fit", "ppca", "--guide", "mean_field"],
            "mean_field does not go with ppca. It covers global continuous latents",
        ),
        (["fit", "ppca", "--steps", "0"], "Expected steps to be a whole number above 0; got 0."),
        (
            ["fit", "ppca", "--batch-size", "9999999"],
            "from 1 to 1257; got 9999999.",
        ),
        (["fit", "ppca", "--prior", "vamp"], "ppca has no option prior; got 'vamp'. Leave it out"),
        (["fit", "vae", "--prior", "flow"], "No prior named 'flow'. There are: standard, mixture"),
        (
            ["fit", "ppca", "--kl-warm-up", "-1"],
            "to be a whole number of at least 0; got -1.",
        ),
        (["fit", "ppca", "--device", "tpu"], "to be 'auto', 'cpu' or 'cuda'; got 'tpu'."),
        (["fit", "ppca", "--lr", "nan"], "Expected lr to be a finite number above 0; got nan."),
        (["fit", "ppca", "--seed", "-1"], "Expected seed to be a whole number of at least 0"),
        (["fit", "ppca", "--compile", "x"], "one of 'auto', 'on', 'off'; got 'x'."),
        (["fit", "hvae", "--groups", "8,x"], "Expected --groups to be whole numbers with commas"),
        (["gradients", "--temperatures", "hot"], "numbers with commas; got 'hot'."),
        (["picture", "nothing"], "No picture named 'nothing'."),
        (["compare", "ppca", "--guides", "amortised_iav"], "Did you mean 'amortised_iaf'?"),
        (["fit", "ppca", "--out", ""], "Expected --out to name a folder; got ''."),
        (["fit", "ppca", "--out", "/dev/null/run"], "Cannot write to --out /dev/null/run"),
        (["compare", "ppca", "--out", "/dev/null"], "Cannot write to --out /dev/null"),
        (["fit", "ppca", "--out", str(ROOT)], "is not empty: it holds"),
        (["fit", "ppca", "--resume"], "--resume is about --out. Name its folder."),
        (["compare", "ppca", "--out", "x", "--resume", "--force"], "Pass one of them."),
        (["evaluate", "no/such/folder"], "No fit in no/such/folder: there is no fit.json."),
    ],
)
def test_errors_of_use_are_one_line(words, sentence, capsys, monkeypatch):
    printed = refused(capsys, monkeypatch, *words)
    assert printed.startswith("Error:")
    assert sentence in printed


@pytest.mark.parametrize("command", ["list", "evaluate", "compare", "gradients", "picture"])
def test_commands_of_one_process_are_refused_under_torchrun(command, capsys, monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    words = [command, "x"] if command in ("evaluate", "picture") else [command]
    assert refused(capsys, monkeypatch, *words) == (
        f"Error: torchrun started 2 processes, and `zoo {command}` takes one: start it without "
        "torchrun. `zoo fit` takes several."
    )


def test_a_step_that_cannot_be_captured_is_one_line(capsys, monkeypatch):
    def cannot(*args, **settings):
        raise zoo.CaptureError("Cannot capture the step: it has control flow.")

    monkeypatch.setattr(zoo, "fit", cannot)
    words = ("fit", "ppca", *FEW, "--compile", "on")
    assert refused(capsys, monkeypatch, *words) == (
        "Error: Cannot capture the step: it has control flow."
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fit", "ppca", "--metrics", "elbow"], "No metric named 'elbow'."),
        (["fit", "ppca", "--draws", "3"], "Expected draws to be a whole number of at least 20"),
        (
            ["compare", "ppca", "--draws", "3"],
            "Expected draws to be a whole number of at least 20",
        ),
    ],
)
def test_what_is_asked_of_the_score_is_refused_before_training(
    words, sentence, capsys, monkeypatch
):
    def trained(*args, **settings):
        raise AssertionError("it was trained first")

    monkeypatch.setattr(zoo, "fit", trained)
    monkeypatch.setattr("zoo.comparison.runs.fit", trained)
    assert sentence in refused(capsys, monkeypatch, *words)


def test_a_file_in_the_way_is_one_line(capsys, monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("")
    words = ("fit", "ppca", *FEW, "--json", "--out", str(tmp_path / "taken"))
    assert "taken" in refused(capsys, monkeypatch, *words)


def test_brackets_in_an_error_are_text(capsys, monkeypatch):
    assert "'[/red]'" in refused(capsys, monkeypatch, "fit", "[/red]")
