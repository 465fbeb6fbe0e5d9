"""The command line: every command, what it prints, and how it says no."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cases_pairs import ALLOWED
from typer.testing import CliRunner

import zoo
from guides import GUIDES
from zoo.cli import app, main
from zoo.cli_list import PARTS
from zoo.data import DATA
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES

FEW = ("--steps", "3", "--draws", "20")
ROOT = Path(__file__).parents[1]


def call(*words):
    """Standard output of a command that succeeds."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(capsys, monkeypatch, *words):
    """The one line that a command which fails prints."""
    monkeypatch.setattr(sys, "argv", ["zoo", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    text = (printed.out + printed.err).strip()
    assert "Traceback" not in text
    assert text.count("\n") == 0
    return text


def test_list_names_everything():
    printed = call("list")
    for name in (*MODELS, *GUIDES, *DATA):
        assert name in printed


def test_list_shows_which_pairs_go_together():
    """What is printed, read back: group numbers stand for objectives, a block for its models."""
    objectives, pairs = call("list").split("Which guides go on")
    lines = [_cells(line) for line in objectives.splitlines()]
    groups = {number: names.split(", ") for number, names in lines if number.isdigit()}
    found = {}
    for block in pairs.split("├"):
        lines = [_cells(line) for line in block.splitlines()]
        lines = [cells for cells in lines if len(cells) == 3]
        models = [model.split(" (")[0] for model, _, _ in lines if model]
        for _, guide, numbers in lines:
            taken = {name for number in numbers.split() for name in groups[number]}
            found |= {(model, guide): taken for model in models if guide}
    allowed = {(m, g): names for m, guides in ALLOWED.items() for g, names in guides.items()}
    del allowed["vae", "shared"]  # under the prior vamp, which is not the usual one
    assert found == allowed


def _cells(line):
    """Contents of a row of a printed table; two empty ones for any other line."""
    cells = [cell.strip() for cell in line.split("│")[1:-1]]
    return cells or ["", ""]


def test_list_as_json():
    printed = json.loads(call("list", "--json"))
    tables = {"models": MODELS, "guides": GUIDES, "objectives": OBJECTIVES, "data": DATA, **PARTS}
    assert {k: [entry["name"] for entry in v] for k, v in printed.items()} == {
        k: list(v) for k, v in tables.items()
    }


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_fitted_as_it_usually_is(model):
    printed = json.loads(call("fit", model, *FEW, "--json", "--figures", "weights,posterior"))
    assert printed["draws"] == 20
    assert printed["verdict"]
    assert printed["figures"]["elbo"]["unit"].startswith("nats")
    assert not set(printed["figures"]) & set(printed["skipped"])


def test_fit_prints_a_table():
    printed = call("fit", "eight_schools", *FEW)
    assert "eight_schools, mean_field, trace" in printed
    assert "exact_log_evidence" in printed
    assert "3 steps in" in printed
    assert "finished" in printed


def test_the_seed_fixes_what_is_printed():
    first, again, other = (
        call("fit", "eight_schools", *FEW, "--json", "--seed", seed) for seed in ("1", "1", "2")
    )
    assert first == again
    assert first != other


def test_a_saved_fit_is_scored_again(tmp_path):
    out = str(tmp_path / "run")
    printed = json.loads(call("fit", "bernoulli_vae", *FEW, "--json", "--out", out))
    files = {path.name for path in Path(out).iterdir()}
    assert files == {
        *("fit.json", "state.safetensors", "figures.json", "losses.png", "images.png"),
        "arviz.nc",
    }
    assert json.loads((tmp_path / "run" / "figures.json").read_text()) == printed
    assert json.loads(call("evaluate", out, "--draws", "20", "--json")) == printed
    valid = json.loads(call("evaluate", out, "--draws", "25", "--split", "valid", "--json"))
    assert (valid["split"], valid["draws"]) == ("valid", 25)
    assert valid["figures"]["elbo"] != printed["figures"]["elbo"]


def test_compare_as_json():
    words = ("--guides", "amortised_normal,mean_field", "--objectives", "trace,iwae")
    printed = json.loads(call("compare", "ppca", *words, *FEW, "--seeds", "1", "--json"))
    pairs = [(row["guide"], row["objective"], row["seed"]) for row in printed["rows"]]
    assert pairs == [("amortised_normal", "trace", 0), ("amortised_normal", "iwae", 0)]
    assert set(printed["mismatches"]) == {"mean_field x trace", "mean_field x iwae"}


def test_compare_writes_and_prints(tmp_path):
    out = tmp_path / "comparison"
    words = ("--guides", "mean_field,full_rank,per_datum", "--objectives", "trace")
    printed = call("compare", "eight_schools", *words, *FEW, "--seeds", "2", "--out", str(out))
    assert "eight_schools on eight_schools (none), 2 seeds" in printed
    assert "exact log p" in printed
    assert "per_datum x trace: PerDatum covers" in printed
    assert len(json.loads((out / "results.json").read_text())["rows"]) == 4
    assert {path.suffix for path in out.iterdir()} == {".json", ".nc", ".png"}


def test_batch_size_zero_takes_all_rows(tmp_path):
    taken = {}
    for size in ("0", "50", None):
        out = tmp_path / str(size)
        option = () if size is None else ("--batch-size", size)
        call("fit", "ppca", *FEW, *option, "--json", "--out", str(out))
        taken[size] = json.loads((out / "fit.json").read_text())["settings"]["batch_size"]
    assert taken == {"0": None, "50": 50, None: MODELS["ppca"].batch_size}


def test_a_kl_warm_up(tmp_path):
    """Half way, half of the KL term counts."""
    for steps in ("0", "4"):
        call("fit", "ppca", *FEW, "--kl-warm-up", steps, "--json", "--out", str(tmp_path / steps))
    plain, warm = (zoo.load_fit(tmp_path / steps).program for steps in ("0", "4"))
    assert plain.kl_weight is None
    assert [float(warm.kl_weight(torch.tensor(step))) for step in (0.0, 2.0, 9.0)] == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fit", "pcpa"], "No model named 'pcpa'. Did you mean 'ppca'?"),
        (["fit", "ppca", "--guide", "amortised_iav"], "Did you mean 'amortised_iaf'?"),
        (["fit", "ppca", "--objective", "trase"], "Did you mean 'trace'?"),
        (["fit", "ppca", "--data", "digit"], "Did you mean 'digits'?"),
        (["fit", "ppca", "--data", "eight_schools"], "ppca takes ('x',); data 'eight_schools'"),
        (["fit", "ppca", "--guide", "mean_field"], "MeanField covers global continuous latents"),
        (["fit", "ppca", "--steps", "0"], "Expected steps above 0; got 0."),
        (["fit", "ppca", "--batch-size", "9999999"], "between 1 and the 1257 rows"),
        (["fit", "ppca", "--prior", "vamp"], "ppca has no option prior; got 'vamp'. Leave it out"),
        (["fit", "vae", "--prior", "flow"], "No prior named 'flow'. There are: standard, mixture"),
        (["fit", "ppca", "--kl-warm-up", "-1"], "--kl-warm-up of at least 0 steps; got -1."),
        (["compare", "ppca", "--guides", "amortised_iav"], "Did you mean 'amortised_iaf'?"),
        (["evaluate", "no/such/folder"], "No fit in no/such/folder: there is no fit.json."),
    ],
)
def test_errors_of_use_are_one_line(words, sentence, capsys, monkeypatch):
    printed = refused(capsys, monkeypatch, *words)
    assert printed.startswith("Error:")
    assert sentence in printed


def test_the_module_runs():
    result = subprocess.run(
        [sys.executable, "-m", "zoo", "fit", "pcpa"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert result.returncode == 2
    assert (result.stdout + result.stderr).strip() == (
        "Error: No model named 'pcpa'. Did you mean 'ppca'?"
    )
