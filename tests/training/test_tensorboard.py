"""A log for TensorBoard, read back: every loss is in its curve, and the metrics are the fit's."""

import sys

import pytest
import torch
from small_tasks import ppca_task
from steps import interpreted
from typer.testing import CliRunner

import zoo
from guides import AmortisedNormal
from zoo.cli.app import app
from zoo.optim.schedules import Linear

pytest.importorskip("tensorboard")
TASK, ROWS = ppca_task(), 40


def fit(log, steps=30, **settings):
    return zoo.fit(TASK, AmortisedNormal, steps=steps, on_progress=log, **settings)


def read(folder):
    """Tag -> pairs (step, value), and tag -> text."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()
    scalars = {
        tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in tags["scalars"]
    }
    texts = {
        tag.removesuffix("/text_summary"): events.Tensors(tag)[-1].tensor_proto.string_val[0]
        for tag in tags["tensors"]
    }
    return scalars, {tag: text.decode() for tag, text in texts.items()}


def curve_of(losses, every=1):
    """The points that the curve should have: means over so many steps, and of what is left."""
    parts = losses.double().split(every)
    ends = torch.tensor([len(part) for part in parts]).cumsum(0).tolist()
    return [
        (end, pytest.approx(float(part.mean()) / ROWS, rel=1e-6))  # an event file holds float32
        for end, part in zip(ends, parts, strict=True)
    ]


@pytest.mark.parametrize("compiled", [False, True])
def test_the_log_of_a_fit(compiled, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    log = zoo.TensorBoard(tmp_path)
    result = fit(log, compile=compiled, lr=0.1, lr_schedule=Linear(1.0, 0.0, 30))
    found = zoo.evaluate(result, metrics=["elbo", "k_hat"], draws=20)
    log.end(result, found)
    scalars, texts = read(tmp_path / "seed0")
    assert scalars["loss"] == curve_of(result.losses)
    assert len(scalars["learning rate"]) > 1
    for name, metric in found.items():
        assert scalars[f"metrics/{name}"] == [(30, pytest.approx(metric.value, rel=1e-6))]
        assert scalars[f"standard errors/{name}"] == [(30, pytest.approx(metric.se, rel=1e-6))]
    assert "| steps | 30 |" in texts["settings"]
    assert "AmortisedNormal" in texts["fit"]


def test_a_long_curve_has_a_thousand_points(tmp_path, monkeypatch):
    """They are means over as many steps, also where blocks end elsewhere."""
    monkeypatch.setattr("zoo.training.tensorboard.POINTS", 8)
    log = zoo.TensorBoard(tmp_path)
    result = fit(log, steps=30)
    log.end(result)
    assert read(tmp_path / "seed0")[0]["loss"] == curve_of(result.losses, every=4)


def test_a_rate_that_stays_is_written_once(tmp_path):
    log = zoo.TensorBoard(tmp_path)
    log.end(fit(log, lr=0.125))
    assert read(tmp_path / "seed0")[0]["learning rate"] == [(1, 0.125)]


def test_a_fit_that_goes_on_continues_its_curve(tmp_path):
    first, second = zoo.TensorBoard(tmp_path), zoo.TensorBoard(tmp_path)
    half = fit(first, steps=12)
    first.end(half)
    result = fit(second, steps=30, resume=half)
    second.end(result)
    assert read(tmp_path / "seed0")[0]["loss"] == curve_of(result.losses)


def test_the_command_writes_a_log(tmp_path):
    words = ("fit", "ppca", "--steps", "20", "--draws", "20", "--metrics", "elbo", "--log")
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, [*words, "tensorboard", "--out", str(out)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    scalars, _ = read(out / "tensorboard" / "seed0")
    saved = zoo.load_fit(out)
    assert [step for step, _ in scalars["loss"]] == list(range(1, 21))
    assert scalars["loss"][-1][1] * len(saved.task.split("train")[0]) == pytest.approx(
        float(saved.losses[-1]), rel=1e-6
    )
    assert list(scalars)[-2:] == ["metrics/elbo", "standard errors/elbo"]


@pytest.mark.parametrize("kind", ["compare", "sweep"])
def test_every_run_has_a_log(kind, tmp_path):
    settings = {"steps": 5, "seeds": 2, "draws": 20, "log": "tensorboard", "out": tmp_path}
    if kind == "compare":
        found = zoo.compare(TASK, ["amortised_normal"], **settings)
        places = {name: tmp_path / "tensorboard" / name for name in found.fits}
    else:
        found = zoo.sweep(TASK, ["amortised_normal"], lr=[0.01, 0.1], **settings)
        places = {name: tmp_path / "runs" / name / "tensorboard" for name in found.rows}
    assert len(places) == (2 if kind == "compare" else 4)
    for name, place in places.items():
        saved = zoo.load_fit(tmp_path / "runs" / name, TASK)
        scalars, _ = read(place)
        assert scalars["loss"] == curve_of(saved.losses)
        assert "metrics/elbo" in scalars


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--log", "tensorboard"], "--log is written to --out. Name its folder"),
        (["--log", "wandb", "--out", "x"], "Expected --log to be one of 'tensorboard'"),
    ],
)
def test_a_log_that_cannot_be_written_is_refused(words, said):
    done = CliRunner().invoke(app, ["fit", "ppca", *words])
    assert said in str(done.exception)


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match="needs the package tensorboard.*-m pip install"):
        zoo.TensorBoard(tmp_path)
