"""The command line: every command and what it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cases_pairs import ALLOWED, and_discrepancy, and_means
from command_line import FEW, call, refused

import zoo
from guides import GUIDES
from zoo.cli.pairs import PARTS
from zoo.data import DATA
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES

ROOT = Path(__file__).parents[2]


def test_list_names_everything():
    printed = call("list")
    for name in (*MODELS, *GUIDES, *DATA):
        assert name in printed


def test_list_shows_which_pairs_go_together():
    """What is printed, read back: group numbers stand for objectives, a block for its models."""
    objectives, pairs = call("list", "--pairs").split("Which guides go on")
    lines = [_cells(line) for line in objectives.splitlines()]
    groups = dict[str, list[str]]()
    for number, names in (cells for cells in lines if len(cells) == 2):
        if number.isdigit():
            groups[number] = []
        if groups and names and not number.strip("0123456789"):  # a long group goes on
            last = groups[max(groups, key=int)]
            last += names.strip(", ").split(", ")
    found = {}
    for block in pairs.split("├"):
        guide = ""
        lines = [_cells(line) for line in block.splitlines()]
        lines = [cells for cells in lines if len(cells) == 3]
        named = [model for model, _, _ in lines if model and model[0] != "("]  # "(": its data
        models = [model.split(" (")[0] for model in named]
        for _, named_guide, numbers in lines:
            guide = named_guide or guide  # a long list of groups goes on below its guide
            taken = {name for number in numbers.split() for name in groups[number]}
            for model in models if guide else ():
                found[model, guide] = found.get((model, guide), set()) | taken
    allowed = {(m, g): names for m, guides in ALLOWED.items() for g, names in guides.items()}
    del allowed["categorical_vae", "empty"]  # its usual size has 10^20 joint states
    for guide in ("amortised_discrete", "amortised_layers"):
        few = allowed["categorical_vae", guide]
        allowed["categorical_vae", guide] = few - {"enumerate", "layer_sum"}
    under_usual_prior = and_means(and_discrepancy(ALLOWED["vae"]))  # the cases have the prior vamp
    for guide, names in under_usual_prior.items():  # a prior of normals, whose paths gdreg knows
        allowed["vae", guide] = names | ({"gdreg"} if {"dreg", "msc"} <= names else set())
    del allowed["vae", "shared"]
    assert found == {pair: names for pair, names in allowed.items() if names}


def _cells(line):
    """Contents of a row of a printed table; two empty ones for any other line."""
    cells = [cell.strip() for cell in line.split("│")[1:-1]]
    return cells or ["", ""]


def test_list_as_json():
    printed = json.loads(call("list", "--json"))
    tables = {"models": MODELS, "guides": GUIDES, "objectives": OBJECTIVES, "data": DATA, **PARTS}
    tables["pretrained"] = zoo.pretrained()
    assert {k: [entry["name"] for entry in v] for k, v in printed.items()} == {
        k: list(v) for k, v in tables.items()
    }


@pytest.mark.thin(12)
@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_fitted_as_it_usually_is(model):
    printed = json.loads(call("fit", model, *FEW, "--json", "--metrics", "weights,posterior"))
    assert printed["draws"] == 20
    assert len(printed["verdict"].splitlines()) == 3
    assert set(printed["answers"]) == {"bound", "weights", "draws"}
    assert printed["metrics"]["elbo"]["unit"].startswith("nats")
    assert not set(printed["metrics"]) & set(printed["skipped"])


def test_fit_prints_a_table():
    printed = call("fit", "eight_schools", *FEW)
    assert "eight_schools, mean_field, trace" in printed
    assert "exact_log_evidence" in printed
    assert "3 steps in" in printed
    assert "finished" in printed


def test_a_fit_ends_by_itself_or_takes_steps():
    arrives = ("fit", "linear_regression", "--metrics", "exact", "--tolerance", "0.1")
    assert "steps of L-BFGS" in call(*arrives)
    assert "100 steps in" in call(*arrives[:4], "--until", "steps", "--steps", "100")


@pytest.mark.thorough
def test_the_seed_fixes_what_is_printed():
    first, again, other = (
        call("fit", "eight_schools", *FEW, "--json", "--seed", seed) for seed in ("1", "1", "2")
    )
    assert first == again
    assert first != other


@pytest.mark.thorough
def test_a_saved_fit_is_scored_again(tmp_path):
    out = str(tmp_path / "run")
    printed = json.loads(call("fit", "bernoulli_vae", *FEW, "--json", "--out", out))
    files = {path.name for path in Path(out).iterdir()}
    (state,) = Path(out).glob("state-*.safetensors")
    assert files == {
        *("fit.json", state.name, "metrics.json", "arviz.nc"),
        *("losses.png", "losses.svg", "images.png", "images.svg"),
    }
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == printed
    assert json.loads(call("evaluate", out, "--draws", "20", "--json")) == printed
    valid = json.loads(call("evaluate", out, "--draws", "25", "--split", "valid", "--json"))
    assert (valid["split"], valid["draws"]) == ("valid", 25)
    assert valid["metrics"]["elbo"] != printed["metrics"]["elbo"]


def test_fit_goes_on_or_replaces_what_is_there(tmp_path, capsys, monkeypatch):
    out = str(tmp_path / "run")
    words = ("fit", "eight_schools", "--guide", "mean_field", "--draws", "20", "--metrics", "elbo")
    first = call(*words, "--steps", "3", "--out", out, "--resume")
    assert "There is no fit in" in first
    sentence = refused(capsys, monkeypatch, *words, "--steps", "3", "--out", out)
    assert "is not empty: it holds arviz.nc, fit.json, losses.png, ...." in sentence
    changed = (*words, "--steps", "5", "--lr", "0.5", "--out", out, "--resume")
    assert "lr: saved 0.01, now 0.5" in refused(capsys, monkeypatch, *changed)
    assert "5 steps in" in call(*words, "--steps", "5", "--out", out, "--resume")
    (tmp_path / "run" / "images.png").write_text("of an earlier fit")
    whole = json.loads(call(*words, "--steps", "5", "--out", out, "--force", "--json"))
    assert not (tmp_path / "run" / "images.png").exists()
    again = json.loads(call(*words, "--steps", "5", "--out", out, "--resume", "--json"))
    assert again == whole


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
    assert "eight_schools on eight_schools" in printed
    assert "exact log p" in printed
    assert "per_datum x trace: PerDatum covers" in printed
    assert len(json.loads((out / "results.json").read_text())["rows"]) == 4
    assert {path.name for path in out.iterdir()} == {
        "results.json",
        "losses.png",
        "losses.svg",
        "report.html",
        "runs",
    }
    run = str(out / "runs" / "mean_field-trace-seed1")
    assert json.loads(call("evaluate", run, "--draws", "20", "--json"))["metrics"]["elbo"]


@pytest.mark.thorough
def test_batch_size_zero_takes_all_rows(tmp_path):
    taken = {}
    for size in ("0", "50", None):
        out = tmp_path / str(size)
        option = () if size is None else ("--batch-size", size)
        call("fit", "ppca", *FEW, *option, "--json", "--out", str(out))
        taken[size] = json.loads((out / "fit.json").read_text())["fit"]["settings"]["batch_size"]
    assert taken == {"0": None, "50": 50, None: MODELS["ppca"].batch_size}


@pytest.mark.thorough
def test_a_kl_warm_up(tmp_path):
    """Half way, half of the KL term counts."""
    for steps in ("0", "4"):
        call("fit", "ppca", *FEW, "--kl-warm-up", steps, "--json", "--out", str(tmp_path / steps))
    plain, warm = (zoo.load_fit(tmp_path / steps).program for steps in ("0", "4"))
    assert plain.kl_weight is None
    assert [float(warm.kl_weight(torch.tensor(step))) for step in (0.0, 2.0, 9.0)] == [0, 0.5, 1]


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
