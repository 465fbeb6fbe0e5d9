"""Comparisons: what is written down says how it came about, and bold means separated."""

import io
import json
import math
from importlib.metadata import version

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import zoo
from guides import AmortisedNormal, guide_named
from zoo.arviz_compat import read_netcdf
from zoo.comparison.aggregate import Cell, Row, summarise
from zoo.comparison.compare import compare, write
from zoo.comparison.table import comparison_table
from zoo.data import load_data
from zoo.evaluation.evaluate import QUICKEST
from zoo.metrics import Metric
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.optim.schedules import Linear
from zoo.task import Task

IDENTITY = 1e-8
GUIDES = ("amortised_normal", "mean_field", "amortised_iaf")
OBJECTIVES = ("trace", "mean_field")
FIELDS = {
    "model": str,
    "data": str,
    "guide": str,
    "objective": str,
    "seed": int,
    "steps": int,
    "seconds": float,
    "backend": str,
    "stopped": str,
    "metrics": dict,
    "skipped": dict,
    "verdict": str,
    "answers": dict,
}


@pytest.fixture(scope="module")
def found():
    task = zoo.load("bernoulli_vae")
    small = Task("bernoulli_vae", lambda: BernoulliVAE(64, (8,), 2), task.data, task.recipe)
    return compare(small, GUIDES, objectives=OBJECTIVES, seeds=2, steps=6, draws=40)


@pytest.fixture(scope="module")
def folder(found, tmp_path_factory):
    return write(found, tmp_path_factory.mktemp("comparison") / "deep")


@pytest.fixture(scope="module")
def record(folder):
    return json.loads((folder / "results.json").read_text())


def test_every_pair_that_goes_together_is_run_for_every_seed(found):
    runs = [(row.guide, row.objective, row.seed) for row in found.rows]
    assert runs == [
        (guide, objective, seed)
        for guide in ("amortised_normal", "amortised_iaf")
        for objective in OBJECTIVES
        for seed in (0, 1)
    ]
    assert set(found.fits) == {f"{g}-{o}-seed{s}" for g, o, s in runs}


@pytest.mark.thorough
def test_mismatches_are_reported_and_the_rest_runs(found, record):
    assert set(found.mismatches) == {f"mean_field x {objective}" for objective in OBJECTIVES}
    for sentence in found.mismatches.values():
        assert "MeanField covers" in sentence
        assert "'z'" in sentence
    assert record["mismatches"] == found.mismatches


def test_results_say_how_they_came_about(record):
    data = load_data("digits")
    assert record["command"]
    assert len(record["commit"]) in (0, 40)
    assert record["versions"]["torch"] == version("torch")
    assert record["versions"]["pyro-zoo"] == zoo.__version__
    assert set(record["versions"]) == {
        *("python", "pyro-zoo", "torch", "pyro-ppl", "numpy", "arviz")
    }
    assert all(record["versions"].values())
    assert record["threads"] == torch.get_num_threads()
    assert record["device"] == ("cuda:0" if torch.cuda.is_available() else "cpu")
    assert record["data"] == {
        "name": "digits",
        "binarize": data.binarize,
        "seed": 0,
        "hash": data.hash,
    }


def test_every_row_is_complete(record, found):
    for row, run in zip(record["rows"], found.rows, strict=True):
        assert {name: type(value) for name, value in row.items()} == FIELDS
        assert (row["model"], row["data"], row["steps"]) == ("bernoulli_vae", "digits", 6)
        assert row["seconds"] > 0
        assert {"elbo", "iwae_10", "log_evidence", "k_hat"} <= set(row["metrics"])
        for name, metric in row["metrics"].items():
            assert math.isfinite(metric["value"])
            assert math.isfinite(metric["se"])
            assert metric["unit"] == run.metrics[name].unit
        assert row["metrics"]["elbo"]["unit"] == "nats/row"
        assert row["skipped"]["gap"] == "the model does not know its log evidence"


def test_a_run_is_the_fit_and_the_evaluation_of_its_seed(found):
    row = found.rows[1]
    again = zoo.fit(found.task, guide_named(row.guide), steps=6, seed=1)
    assert torch.equal(again.losses, found.fits["amortised_normal-trace-seed1"].losses)
    assert dict(zoo.evaluate(again, metrics=QUICKEST, draws=40, seed=1)) == row.metrics
    assert row.metrics != found.rows[0].metrics


@pytest.mark.parametrize("name", ["losses.png", "runs/amortised_normal-trace-seed0/images.png"])
def test_pictures_show_something(name, folder):
    with Image.open(folder / name) as picture:
        picture.verify()
    with Image.open(folder / name) as picture:
        pixels = np.asarray(picture.convert("L"), dtype=float)
    assert min(pixels.shape) > 100
    middle = pixels[pixels.shape[0] // 4 : -pixels.shape[0] // 4]
    assert len(np.unique(middle)) > 10
    assert middle.std() > 5


def test_every_run_has_a_folder_of_its_own(folder, found):
    assert {path.name for path in folder.iterdir()} == {
        "losses.png",
        "losses.svg",
        "report.html",
        "results.json",
        "runs",
    }
    assert {path.name for path in (folder / "runs").iterdir()} == set(found.fits)
    for row, (name, result) in zip(found.rows, found.fits.items(), strict=True):
        run = folder / "runs" / name
        (state,) = run.glob("state-*.safetensors")
        files = {"fit.json", state.name, "metrics.json", "rows.safetensors", "arviz.nc"}
        files |= {"images.png", "images.svg"}
        assert {path.name for path in run.iterdir()} == files
        metrics = json.loads((run / "metrics.json").read_text())["metrics"]
        assert metrics["elbo"]["value"] == row.metrics["elbo"].value
        assert torch.equal(zoo.load_fit(run, found.task).losses, result.losses)


def test_arviz_reads_the_draws(folder, found):
    data = read_netcdf(folder / "runs" / "amortised_normal-trace-seed0" / "arviz.nc")
    z = data["posterior"]["z"]
    assert dict(z.sizes) == {"chain": 4, "draw": 50, "row": 100, "z_index": 2}
    assert data["posterior_predictive"]["x"].dims[:3] == ("chain", "draw", "row")
    assert data["posterior"].attrs["verdict"].startswith("bound as it should be?")
    fit = found.fits["amortised_normal-trace-seed0"]
    codes = fit.encode(found.task.split("test")[0][:100])
    error = codes.sd["z"] / 200**0.5
    off = torch.as_tensor(z.values).mean((0, 1)) - codes.mean["z"]
    assert (off.abs() <= 5 * error).all()


@pytest.mark.parametrize(
    ("guides", "objectives", "sentence"),
    [
        (["amortised_norml"], ["trace"], "No guide named 'amortised_norml'. Did you mean 'amorti"),
        (["amortised_normal"], ["trace", "iwea"], "No objective named 'iwea'. Did you mean 'iwae"),
    ],
)
def test_wrong_names_fail_before_training(guides, objectives, sentence, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("it was trained")

    monkeypatch.setattr("zoo.comparison.runs.fit", refuse)
    with pytest.raises(ValueError, match=sentence):
        compare(zoo.load("ppca"), guides, objectives=objectives)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"step": 3}, "No setting of compare named 'step'. Did you mean 'steps'"),
        ({"seed": 3}, "No setting of compare named 'seed'"),
        ({"optimizer": "adm"}, "No optimizer named 'adm'. Did you mean 'adam'"),
        ({"lr": [0.1, 0.2]}, "one learning rate for each replica; got 2"),
        ({"steps": 3, "budget": 100}, "steps or a budget; got steps=3, budget=100"),
        ({"clip_norm": -1.0}, "Expected clip_norm to be a finite number above 0"),
    ],
)
def test_wrong_settings_fail_before_training(settings, sentence, monkeypatch):
    monkeypatch.setattr("zoo.comparison.runs.fit", None)
    with pytest.raises(ValueError, match=sentence):
        compare(zoo.load("ppca"), ["amortised_normal"], **settings)


def test_any_setting_of_a_fit_reaches_every_run():
    task, settings = zoo.load("ppca"), {"optimizer": "sgd", "kl_weight": Linear(0.0, 1.0, 2)}
    found = compare(
        task,
        ["amortised_normal"],
        steps=3,
        lr=1e-4,
        clip_norm=5.0,
        draws=20,
        **settings,
    )
    direct = zoo.fit(task, AmortisedNormal, steps=3, lr=1e-4, clip_norm=5.0, seed=0, **settings)
    (run,) = found.fits.values()
    assert run.settings == direct.settings
    assert torch.equal(run.losses, direct.losses)


def row(guide, seed, value, se, better="higher"):
    metrics = {"elbo": Metric(value, se, "nats/row", better)}
    return Row(
        model="m",
        data="d",
        guide=guide,
        objective="trace",
        seed=seed,
        steps=1,
        seconds=float(seed),
        backend="plain",
        stopped="finished",
        metrics=metrics,
        skipped={},
        verdict="",
    )


def test_seeds_are_put_together():
    noisy = [row("a", 0, 1.0, 0.8), row("a", 1, 1.0, 0.6)]
    spread = [row("b", 0, 1.0, 0.1), row("b", 1, 4.0, 0.1), row("b", 2, 4.0, 0.1)]
    first, second = summarise([*noisy, *spread])
    assert (first.guide, first.seeds, first.seconds) == ("a", 2, 0.5)
    assert first.cells["elbo"].value == pytest.approx(1.0, rel=IDENTITY)
    assert first.cells["elbo"].se == pytest.approx(0.5, rel=IDENTITY)  # the draws' noise
    assert second.cells["elbo"].value == pytest.approx(3.0, rel=IDENTITY)
    assert second.cells["elbo"].se == pytest.approx(1.0, rel=IDENTITY)  # sd 3 ** 0.5, 3 seeds


def shown(rows):
    view = comparison_table(rows, Cell(3.0, 0.0, "nats", "higher"), "title")
    console = Console(width=150, record=True, force_terminal=True, file=io.StringIO())
    console.print(view)
    return console.export_text(styles=True)


def test_the_table_has_a_star_where_a_pair_is_clearly_better():
    values = {"good": (2.0, 2.1, 1.9), "poor": (1.0, 1.1, 0.9)}
    apart = shown([row(g, s, v, 0.01) for g in values for s, v in enumerate(values[g])])
    close = shown([row(g, s, v, 2.0) for g in values for s, v in enumerate(values[g])])
    alone = shown([row(g, 0, values[g][0], 0.01) for g in values])
    assert "\x1b[1m2.000" in apart
    assert "\x1b[1m1.000" not in apart
    assert "\x1b[1m2.0" not in close
    assert "\x1b[1m2.0" not in alone
    assert "one seed does not" in alone
    assert apart.count(" *\x1b") == 1
    assert " *\x1b" not in close + alone
    assert "exact log p" in apart
    assert "3.0000" in apart


def test_the_exact_evidence_is_there_if_it_is_one_number():
    frozen = compare(zoo.load("eight_schools"), ["mean_field"], seeds=2, steps=3, draws=40)
    exact = frozen.task.build().log_evidence(*frozen.task.split("train"))
    assert frozen.exact.value == pytest.approx(exact.item(), rel=IDENTITY)
    learned = compare(zoo.load("ppca"), ["amortised_normal"], seeds=2, steps=3, draws=40)
    assert "exact_log_evidence" in learned.rows[0].metrics
