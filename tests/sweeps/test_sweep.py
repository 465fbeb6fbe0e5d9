"""A sweep chooses on validation rows what is best by exact numbers, and reports test rows."""

import json
import shlex

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from small_tasks import fitted_ppca_task, ppca_task
from swept import DRAWS, swept
from typer.testing import CliRunner

import zoo
from zoo.cli.app import app
from zoo.optim.schedules import Linear
from zoo.sweeps.command import command_of
from zoo.sweeps.found import Sweep
from zoo.sweeps.grid import Setting
from zoo.training.trainer import Trainer


@torch.no_grad()
def exact_elbo(fit, x):
    """log p(x) - KL(q || p) in closed form, for each row."""
    q = poutine.trace(fit.guide).get_trace(x).nodes["z"]["fn"]
    q = dist.MultivariateNormal(q.mean, torch.diag_embed(q.variance))
    apart = torch.distributions.kl_divergence(q, fit.model.posterior(x)["z"])
    return fit.model.log_evidence(x) - apart


def test_the_setting_chosen_has_the_highest_exact_score(tmp_path):
    task = fitted_ppca_task()
    found = swept(task, freeze_model=True, steps=100, out=tmp_path, draws=200)
    (x,), truth = task.split("valid"), {}
    for setting in found.settings:
        exact = []
        for seed in range(2):
            row = found.rows[setting.run(seed)]
            fit = zoo.load_fit(tmp_path / "runs" / setting.run(seed), task)
            exact.append(float(exact_elbo(fit, x).mean()))
            score = row.metrics["elbo"]
            assert abs(score.value - exact[-1]) < 5 * score.se
        truth[str(setting)] = sum(exact) / 2
    assert str(found.best) == max(truth, key=truth.get)
    assert found.best != found.settings[0]
    ordered = [str(one.setting) for one in found.scores]
    assert ordered == sorted(truth, key=truth.get, reverse=True)


def test_it_is_reported_on_rows_that_took_no_part_in_the_choice(whole):
    found, _ = whole
    name = found.best.run(0)
    (first, _) = found.fits
    again = zoo.evaluate(first, metrics=["elbo"], split="test", draws=DRAWS, seed=0)
    assert found.tested[0].metrics["elbo"] == again["elbo"]
    valid = zoo.evaluate(first, metrics=["elbo"], split="valid", draws=DRAWS, seed=0)
    assert found.rows[name].metrics["elbo"] == valid["elbo"]
    assert valid["elbo"] != again["elbo"]
    said = " ".join(found.sentences)
    assert "on 20 validation rows, which no fit was trained on" in said
    assert "On 30 test rows, which took no part in the choice: elbo" in said
    values = [row.metrics["elbo"].value for row in found.tested]
    assert found.test["elbo"].value == pytest.approx(sum(values) / 2)
    assert found.test["elbo"].se >= abs(values[0] - values[1]) / 2 - 1e-12


def test_the_distance_to_the_best_is_paired_by_seed(whole):
    found, _ = whole
    best, *others = found.scores
    for other in others:
        apart = [
            found.rows[best.setting.run(seed)].metrics["elbo"].value
            - found.rows[other.setting.run(seed)].metrics["elbo"].value
            for seed in range(2)
        ]
        assert other.behind.value == pytest.approx(sum(apart) / 2)
        assert other.behind.value >= 0


def test_latents_that_all_rows_share():
    """The exact evidence is the bound of the best guide; the choice is said to be by training."""
    task = zoo.load("linear_regression")
    found = zoo.sweep(task, ["mean_field", "full_rank"], seeds=2)
    assert found.best.guide == "full_rank"
    (fit, _) = found.fits
    evidence = float(fit.model.log_evidence(*task.split("train")))
    assert abs(found.scores[0].value.value - evidence) < 5 * found.scores[0].value.se + 0.02
    said = " ".join(found.sentences)
    assert "on the data that the fits were trained on" in said
    assert "no rows can be held out" in said
    assert "On test rows: log_predictive" in said


def test_data_without_rows_have_no_test_rows():
    found = zoo.sweep("eight_schools", ["mean_field", "full_rank"], seeds=1)
    said = " ".join(found.sentences)
    assert "no rows can be held out" in said
    assert "test rows" not in said


def test_what_diverges_is_never_chosen():
    with pytest.warns(UserWarning, match="not finite"):
        found = swept(lr=[1e-3, 1e3], seeds=1, optimizer="sgd")
    ends = {one.setting.values["lr"]: one.ends for one in found.scores}
    assert ends == {1e-3: "1 finished", 1e3: "1 diverged"}
    assert found.best.values["lr"] == 1e-3


def test_numbers_of_every_kind_are_tried():
    found = swept(
        guides=["amortised_normal", "amortised_full_rank"],
        objectives=["iwae", "trace"],
        particles=[2, 4],
        batch_size=[10, None],
        lr=0.02,
        seeds=1,
        steps=2,
        metric="iwae_5",
    )
    assert len(found.settings) == len(found.rows) == 16
    frame = found.to_dataframe()
    assert set(frame["particles"]) == {2, 4}
    assert {"iwae_5", "batch_size", "guide", "seconds"} <= set(frame.columns)
    assert found.fits[0].settings.objective.particles == found.best.values["particles"]
    assert found.fits[0].settings.batch_size == found.best.values["batch_size"]


def own_model(x):
    """A user's own model with a latent for each row."""
    scale = pyro.param("scale", torch.ones(()))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, scale.exp()), obs=x)


def test_rows_of_a_users_own_model():
    x = torch.randn(60)
    with pytest.raises(ValueError, match=r"no validation rows. Pass them.*valid=\(x_valid,\)"):
        zoo.sweep(own_model, ["amortised_normal"], x, lr=[0.01, 0.1])
    given = {"valid": (x[:20],), "test": (x[20:30],)}
    found = zoo.sweep(own_model, ["amortised_normal"], x[30:], lr=[0.01, 0.1], steps=3, **given)
    assert "on 20 validation rows" in found.sentences[0]
    assert "On 10 test rows" in found.sentences[-1]
    assert found.command.startswith("zoo.fit(model, 'amortised_normal', *data, ")
    with pytest.raises(ValueError, match="Expected valid to be a tuple with the model's 1"):
        zoo.sweep(own_model, ["amortised_normal"], x, valid=x)


def test_the_model_of_a_fit_is_held_fixed():
    task = ppca_task()
    fit = zoo.fit(task, "amortised_normal", steps=20)
    found = swept(fit, guides=["amortised_full_rank"], seeds=1, lr=[0.01], jobs=1)
    for name, value in fit.model.named_parameters():
        assert torch.equal(dict(found.fits[0].model.named_parameters())[name], value)


def own_loss(model, guide, x):
    """A loss function as Pyro's SVI takes."""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lr": []}, "Expected lr to be a list of different values"),
        ({"lr": [0.1, 0.1]}, "Expected lr to be a list of different values"),
        ({"lr": [0.1, -1.0]}, "Expected lr to be a finite number above 0; got -1.0"),
        ({"steps": [10, 0]}, "Expected steps to be a whole number above 0; got 0"),
        ({"learning_rate": 0.1}, "No setting of sweep named 'learning_rate'"),
        ({"jobs": 0}, "Expected jobs to be a whole number, -1 for all cores; got 0"),
        ({"backend": "spark"}, "No backend named 'spark'"),
        ({"metric": "k_hat"}, "Expected metric to be 'elbo' or 'iwae_K'; got 'k_hat'"),
        ({"seeds": 0}, "Expected seeds to be a whole number above 0"),
        ({"guides": ["mean_field"]}, "No guide goes with an objective here. MeanField covers"),
        ({"log": "wandb", "out": "runs"}, "Expected log to be one of 'tensorboard'"),
        ({"log": "tensorboard"}, "log='tensorboard' is written to a folder"),
        ({"objectives": {"own": own_loss}, "particles": 3}, "has no particles; got particles=3"),
    ],
)
def test_what_makes_no_sense_is_refused_before_training(settings, said, monkeypatch):
    monkeypatch.setattr(Trainer, "advance", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(ValueError, match="(?s)" + said.replace("(", r"\(")):
        swept(**settings)


def call(*words):
    """What a command that succeeds prints."""
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_that_is_printed_repeats_the_best_run(tmp_path):
    words = ("sweep", "ppca", "--lr", "1e-3,0.02", "--batch-size", "50,0", "--steps", "1e1")
    words += ("--objectives", "iwae", "--particles", "3,4", "--seeds", "2", "--draws", "20")
    printed = json.loads(call(*words, "--out", str(tmp_path / "swept"), "--json"))
    task = zoo.load("ppca")
    threads, program, *again = shlex.split(printed["command"])
    assert (threads, program) == ("OMP_NUM_THREADS=1", "zoo")
    fitted = json.loads(call(*again, "--draws", "20", "--json"))["metrics"]["elbo"]["value"]
    best = next(one for one in printed["scores"] if one["behind"] is None)
    (folder,) = (tmp_path / "swept" / "runs").glob(
        f"*lr={best['values']['lr']}-batch_size={best['values']['batch_size']}"
        f"-particles={best['values']['particles']}-seed0"
    )
    saved = zoo.load_fit(folder, task)
    assert zoo.evaluate(saved, metrics=["elbo"], draws=20)["elbo"].value == fitted


@pytest.mark.parametrize(
    ("model", "parts", "said"),
    [
        ("vae", {"prior": "vamp", "latent": 4}, "--prior vamp --latent 4"),
        ("hvae", {"groups": (4, 8)}, "--groups 4,8"),
        ("bernoulli_vae", {"binarize": "threshold"}, "--data digits --binarize threshold"),
    ],
)
def test_the_command_names_the_parts_of_a_model(model, parts, said):
    task = zoo.load(model, **parts)
    asked = {"batch_size": None, "kl_weight": Linear(0.0, 1.0, 50), "compile": False}
    setting = Setting(task.usual_guide, "trace", {"lr": 0.01, "particles": 2})
    words = command_of(task, setting, asked, "cpu")
    assert f"zoo fit {model} " in words
    assert said in words
    options = "--batch-size 0 --kl-warm-up 50 --compile off --lr 0.01 --particles 2 --device cpu"
    assert options in words
    done = CliRunner().invoke(app, [*shlex.split(words)[2:], "--help"])
    assert done.exit_code == 0, done.output
    assert command_of(task, setting, {"clip_norm": 3.0}, "cpu").startswith("zoo.fit(model")


def test_the_command_line_prints_table_choice_and_command(tmp_path):
    words = ("sweep", "ppca", "--lr", "1e-3,0.02", "--steps", "5", "--seeds", "2", "--draws", "20")
    printed = call(*words, "--out", str(tmp_path / "swept"))
    assert "ppca on factor_analysis" in printed or "ppca on" in printed
    for said in ("validation rows", "2 finished", "Chosen: ", "test rows, which took no part"):
        assert said in " ".join(printed.split())
    assert "zoo fit ppca --data" in printed
    for words in (["--lr", "fast"], ["--steps", "1.5"], ["--jobs", "0"]):
        done = CliRunner().invoke(app, ["sweep", "ppca", *words])
        assert isinstance(done.exception, (ValueError, SystemExit))


def test_it_prints_as_its_table(whole):
    found, _ = whole
    assert isinstance(found, Sweep)
    assert repr(found) == str(found)
    lines = str(found).splitlines()
    assert any("behind the best" in line for line in lines)
    assert any(line.startswith("Chosen: amortised_normal, trace, lr=") for line in lines)
