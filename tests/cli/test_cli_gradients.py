"""`zoo gradients` and `zoo compare --budget`: tables, JSON, pictures, and how they say no."""

import json
import math

import numpy as np
import pytest
from command_line import call, refused
from PIL import Image

from zoo.cli.gradients import RELAXED, USUAL, estimator_named
from zoo.comparison.budget import steps_of
from zoo.objectives import OBJECTIVES, Enumerate, Trace, as_objective
from zoo.task import load
from zoo.training.run import describe_task

FEW = ("--draws", "128", "--rows", "8", "--steps", "2", "--tune", "2")
NAMES = ("rloo", "rws", "gumbel_rao:trace")
FIELDS = {
    "objective": str,
    "at": str,
    "temperature": (float, type(None)),
    "target": str,
    "reference": str,
    "draws": int,
    "tuned": int,
    "bias_p_value": float,
    "bias_max_z": float,
    "bias_max_z_p_value": float,
    "bias_max_z_of": str,
    "bias": dict,
    "variance": dict,
    "snr": float,
    "evaluations": int,
    "seconds": float,
    "cost": float,
    "cost_seconds": float,
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What `zoo gradients --out` prints, and its folder."""
    out = tmp_path_factory.mktemp("gradients") / "deep"
    words = ("--objectives", ",".join(NAMES), "--temperatures", "0.3,1", "--at", "initial,trained")
    return call("gradients", *FEW, *words, "--out", str(out)), out


@pytest.mark.thorough
def test_the_table_has_a_line_for_each_estimator(written):
    printed, _ = written
    for name in ("rloo", "rws", "gumbel_rao:trace 0.3", "gumbel_rao:trace 1", "p, no bias"):
        assert name in printed
    assert "AmortisedDiscrete: 128 draws, 8 rows of digits" in printed


@pytest.mark.thorough
def test_the_json_is_complete(written):
    record = json.loads((written[1] / "gradients.json").read_text())
    assert len(record["rows"]) == 8
    for row in record["rows"]:
        assert row.keys() == FIELDS.keys()
        assert all(isinstance(row[name], kind) for name, kind in FIELDS.items())
        assert row["variance"].keys() == {"encoder", "decoder", "total"}
        assert all(math.isfinite(v["value"] + v["se"]) for v in row["variance"].values())
        assert row["bias"].keys() == {"norm", "se", "relative", "relative_se"}
        assert row["seconds"] > 0
    assert [row["at"] for row in record["rows"]] == ["initial"] * 4 + ["trained"] * 4
    assert record["model"] == "bernoulli_latent"
    assert record["settings"]["steps"] == 2
    assert {"command", "commit", "versions", "data"} <= record.keys()


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["variance.png", "temperature.png"])
def test_pictures_show_something(name, written):
    with Image.open(written[1] / name) as picture:
        pixels = np.asarray(picture.convert("L"), dtype=float)
    assert min(pixels.shape) > 300
    assert pixels.std() > 5


def test_json_is_printed(capsys):
    printed = call("gradients", *FEW, "--at", "initial", "--objectives", "rloo,stl", "--json")
    record = json.loads(printed)
    assert [row["objective"] for row in record["rows"]] == ["rloo"]
    assert set(record["mismatches"]) == {"stl"}


def test_the_usual_estimators_exist():
    for name in USUAL.split(","):
        assert name in OBJECTIVES or name in RELAXED
    assert estimator_named("gumbel_softmax:trace").objective == Trace()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--objectives", "rlo"), "No objective named 'rlo'. Did you mean 'rloo'?"),
        (("--objectives", "gumbel_rao:rlo"), "No objective named 'rlo'"),
        (("--at", "end"), "Expected at to be one of 'initial', 'middle', 'trained'"),
        (("--draws", "4"), "Expected draws to be a whole number of at least 128"),
    ],
)
def test_what_makes_no_sense_is_refused(words, sentence, capsys, monkeypatch):
    assert sentence in refused(capsys, monkeypatch, "gradients", *words)


@pytest.fixture(scope="module")
def budgeted(tmp_path_factory):
    """`zoo compare --budget --out`: its folder."""
    out = tmp_path_factory.mktemp("budget")
    words = ("--guides", "amortised_discrete", "--objectives", "nvil,rloo", "--budget", "8")
    call("compare", "bernoulli_latent", *words, "--draws", "20", "--seeds", "2", "--out", str(out))
    return out


@pytest.mark.thorough
def test_runs_of_equal_budget(budgeted):
    record = json.loads((budgeted / "results.json").read_text())
    assert [(r["objective"], r["steps"]) for r in record["rows"]] == [
        ("nvil", 8),
        ("nvil", 8),
        ("rloo", 4),
        ("rloo", 4),
    ]
    assert len(record["curves"]) == 4
    for curve in record["curves"]:
        assert curve["evaluations"][-1] == 8
        assert curve["evaluations"] == sorted(set(curve["evaluations"]))
        assert len(curve["elbo"]) == len(curve["se"]) == len(curve["evaluations"])
        assert all(math.isfinite(value) for value in curve["elbo"])
        assert curve["unit"] == "nats/row"
    assert record["curves"][0]["elbo"] != record["curves"][1]["elbo"]


def test_the_curves_are_drawn(budgeted):
    with Image.open(budgeted / "budget.png") as picture:
        assert np.asarray(picture.convert("L"), dtype=float).std() > 5


def test_a_budget_pays_for_steps():
    latents = describe_task(load("bernoulli_latent"))
    assert steps_of(1000, as_objective("rloo"), latents) == 500
    assert Enumerate().evaluations(latents) == 2**8
    with pytest.raises(ValueError, match="at least 256 evaluations of f, one gradient of Enum"):
        steps_of(255, Enumerate(), latents)


def test_a_budget_and_steps_are_refused(capsys, monkeypatch):
    words = ("compare", "bernoulli_latent", "--budget", "8", "--steps", "3")
    assert "Expected steps or a budget; got steps=3, budget=8." in refused(
        capsys, monkeypatch, *words
    )
