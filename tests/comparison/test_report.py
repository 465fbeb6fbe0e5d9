"""`zoo.compare` on tasks, fits and a user's own model: held fixed, resumed, reported."""

import json
import re
import tempfile
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoNormal
from small_tasks import ppca_task
from typer.testing import CliRunner

import guides
import zoo
from zoo.cli.app import app
from zoo.comparison.compare import write
from zoo.comparison.from_folder import report_on
from zoo.comparison.pictures import curve_of
from zoo.results.record import with_checksum


class Text(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, page):
        super().__init__()
        self.parts, self.tags, self.links = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data):
        self.parts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.parts).split())


def model(x):
    loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
    with pyro.plate("rows", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0), obs=x)


X = torch.tensor([0.5, 1.0, 2.0])


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    out = tmp_path_factory.mktemp("own") / "out"
    settings = {"seeds": 2, "steps": 300, "lr": 0.05, "draws": 200, "out": out}
    return zoo.compare(model, ["mean_field", AutoNormal], X, **settings), settings


def test_a_model_of_ones_own_is_compared(own):
    found, _ = own
    exact = dist.MultivariateNormal(torch.zeros(3), torch.eye(3) + torch.ones(3, 3)).log_prob(X)
    assert {row.guide for row in found.rows} == {"mean_field", "AutoNormal"}
    for row in found.rows:
        assert row.metrics["elbo"].value < exact + 5 * row.metrics["elbo"].se
        assert exact - row.metrics["elbo"].value < 0.1
        assert found.fits[row.name].settings.seed == row.seed


def test_the_table_is_a_data_frame_and_text(own):
    found, _ = own
    frame = found.to_dataframe()
    assert list(frame["guide"]) == ["mean_field"] * 2 + ["AutoNormal"] * 2
    for row, value, se in zip(found.rows, frame["elbo"], frame["elbo_se"], strict=True):
        assert (row.metrics["elbo"].value, row.metrics["elbo"].se) == (value, se)
    text = str(found)
    assert "AutoNormal" in text
    assert "mean_field" in text
    assert len(found.differences("elbo")) == 1
    with pytest.raises(ValueError, match="No metric named 'elb'. Did you mean 'elbo'"):
        found.differences("elb")
    assert found.plot().axes


NOTEBOOK = """import pyro, pyro.distributions as dist, torch, zoo

def model(x):
    loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
    with pyro.plate("rows", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0), obs=x)

zoo.compare(model, ["mean_field"], torch.tensor([0.5, 1.0]), steps=3, draws=50).plot()"""


@pytest.mark.slow
def test_a_notebook_shows_the_plot_once(tmp_path, monkeypatch):
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    monkeypatch.setenv("PYTHONPATH", str(Path(zoo.__file__).parents[1]))
    notebook = new_notebook(cells=[new_code_cell(NOTEBOOK)])
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    shown = [one for one in notebook.cells[0].outputs if "image/png" in one.get("data", {})]
    assert len(shown) == 1


def test_the_same_command_goes_on(own, monkeypatch):
    found, settings = own
    monkeypatch.setattr("zoo.comparison.runs.fit", None)
    again = zoo.compare(model, ["mean_field", AutoNormal], X, resume=True, **settings)
    assert [row.metrics for row in again.rows] == [row.metrics for row in found.rows]
    with pytest.raises(ValueError, match="made with other settings"):
        zoo.compare(model, ["mean_field"], X, resume=True, **settings)


def test_the_report_stands_alone(own, tmp_path):
    found, settings = own
    written = Text((settings["out"] / "report.html").read_text())
    direct = Text(found.report(tmp_path / "page.html").read_text())
    for page in (written, direct):
        assert "2 guides, 1 objective, 2 seeds" in page.text
        assert "model on given" in page.text
        assert "Is the bound as it should be?" in page.text
        assert page.tags.count("svg") == 2  # without values of rows: they share the latent
        assert not [link for link in page.links if not link.startswith(("data:", "#"))]
        cell = f"{found.rows[0].metrics['elbo'].value:.1f}"[:4]
        assert cell in page.text
        assert found.task.data.hash in page.text
        assert " object at 0x" not in page.text
    assert "prefers-color-scheme: dark" in (settings["out"] / "report.html").read_text()


def test_the_command_writes_the_page_again(own, tmp_path):
    found, settings = own
    path = tmp_path / "again.html"
    ran = CliRunner().invoke(app, ["report", str(settings["out"]), "--to", str(path)])
    assert (ran.exit_code, str(path) in ran.output.replace("\n", "")) == (0, True)
    assert Text(path.read_text()).text == Text((settings["out"] / "report.html").read_text()).text
    refused = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert isinstance(refused.exception, ValueError)


def test_names_are_no_markup(tmp_path):
    steps = {"steps": 3, "draws": 20}
    found = zoo.compare(model, {"a (b)": guides.MeanField}, X, **steps)
    found.rows[0].answers["bound"]["reason"] = "<script>alert(1)</script>"
    assert "<script>" not in found.report(tmp_path / "page.html").read_text()


def test_a_guide_that_raises_leaves_the_others():
    def raising(x):
        pyro.sample("loc", dist.Normal(pyro.param("m", torch.tensor(0.0)), 1.0))
        if torch.rand(()) < 0.2:
            raise RuntimeError("boom")

    settings = {"steps": 60, "draws": 20}
    found = zoo.compare(model, [raising, "mean_field"], X, **settings)
    assert list(found.fits) == ["mean_field-trace-seed0"]
    assert "RuntimeError: boom" in found.left["raising-trace-seed0"]
    with pytest.raises(RuntimeError, match="boom"):
        zoo.compare(model, [raising], X, **settings)


def test_guides_under_one_model_are_judged_by_the_elbo():
    """log p(x) is the same for all: a guide far off must not win by its estimate of it."""
    far = partial(AutoNormal, init_scale=3.0)
    near = partial(AutoNormal, init_scale=0.3)
    settings = {"seeds": 4, "steps": 2, "lr": 1e-6, "draws": 500}
    found = zoo.compare(model, {"far": far, "near": near}, X, **settings)
    page = Text(found.report(Path(tempfile.mkdtemp()) / "new" / "page.html").read_text())
    assert not found.learns
    assert "near, trace is clearly the best in elbo" in page.text
    assert "best in log_evidence" not in page.text


def test_losses_of_data_in_a_closure_are_drawn():
    def closed():
        with pyro.plate("data", 3):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=X)

    found = zoo.compare(closed, [AutoNormal], steps=20, draws=20)
    (fit,) = found.fits.values()
    curve = curve_of(fit)
    assert curve.unit == "nats/row"
    np.testing.assert_allclose(curve.losses, fit.losses.double() / 3, rtol=1e-8)


def test_what_was_kept_in_memory_goes_on_from_its_folder(tmp_path):
    settings = {"steps": 3, "draws": 20}
    write(zoo.compare(model, ["mean_field"], X, **settings), tmp_path / "out")
    again = zoo.compare(model, ["mean_field"], X, out=tmp_path / "out", resume=True, **settings)
    assert len(again.rows) == 1


def test_a_folder_without_a_comparison_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"zoo compare --out.*no results.json"):
        report_on(tmp_path)
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(ValueError, match="damaged"):
        report_on(tmp_path)


def test_a_folder_of_an_earlier_version_is_named(own, tmp_path):
    _, settings = own
    record = json.loads((settings["out"] / "results.json").read_text())
    old = {name: part for name, part in record.items() if name not in ("sha256", "title")}
    (tmp_path / "results.json").write_text(with_checksum(old))
    with pytest.raises(ValueError, match="earlier version of the zoo: results.json lacks title"):
        report_on(tmp_path)


def test_a_fit_holds_its_model_fixed():
    start = zoo.fit(ppca_task(), guides.AmortisedNormal, steps=20)
    before = {name: value.clone() for name, value in start.model.state_dict().items()}
    found = zoo.compare(start, ["amortised_normal", "amortised_full_rank"], steps=5, draws=20)
    for fit in found.fits.values():
        for name, value in fit.model.state_dict().items():
            assert torch.equal(value, before[name])
    assert len({row.metrics["exact_log_evidence"].value for row in found.rows}) == 1
    assert found.held is start
    with pytest.raises(ValueError, match="A fit has its data; got 1 arguments"):
        zoo.compare(start, ["amortised_normal"], X)


def test_a_comparison_may_train_the_model_that_it_holds(tmp_path, monkeypatch):
    settings = {"hold": True, "steps": 5, "draws": 20, "seeds": 2, "out": tmp_path / "out"}
    names = ["amortised_normal", "amortised_full_rank"]
    found = zoo.compare(ppca_task(), names, **settings)
    models = [fit.model.state_dict() for fit in found.fits.values()]
    assert all(torch.equal(m[k], models[0][k]) for m in models for k in m)
    fresh = zoo.fit(ppca_task(), guides.AmortisedNormal, steps=5, seed=0)
    for name, value in fresh.model.state_dict().items():
        assert torch.equal(models[0][name], value)
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    assert record["held"] == ("The model is held fixed as amortised_normal and trace trained it.")
    page = (tmp_path / "out" / "report.html").read_text()
    assert re.search("differ in inference alone", page)
    zoo.compare(ppca_task(), names, resume=True, **settings)
