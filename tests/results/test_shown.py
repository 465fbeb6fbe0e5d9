"""A fit, its metrics and its loss curve as people see them."""

from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from small_tasks import fitted_ppca_task

import zoo
from guides import AmortisedNormal, MeanField, guide_named
from zoo.results.shown import ENDED


@pytest.fixture(scope="module")
def fit():
    return zoo.fit(fitted_ppca_task(), AmortisedNormal, steps=120, patience=3, valid_every=40)


@pytest.fixture(scope="module")
def metrics(fit):
    return zoo.evaluate(fit, draws=100, metrics=["weights", "exact", "sbc"])


class Cells(HTMLParser):
    """Reads the texts of a table, and checks that what is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_fit_is_a_few_lines(fit):
    text = repr(fit)
    assert text.startswith("Fit of ppca on small, seed 0\n")
    lines = {line[:13].strip(): line[13:].strip() for line in text.splitlines()[1:]}
    assert lines["guide"] == "AmortisedNormal"
    assert lines["objective"] == "Trace(particles=1)"
    assert lines["latents"] == "z"
    assert lines["training"].startswith(f"{len(fit.losses)} steps in ")
    loss = float(fit.losses[-50:].mean()) / fit.task.data.rows
    assert lines["last loss"].startswith(f"{loss:.4g} nats/row")
    assert str(fit) == text
    assert "tensor(" not in text


@pytest.mark.parametrize("stopped", ENDED)
def test_how_a_fit_ended_is_said_in_words(fit, stopped, monkeypatch):
    monkeypatch.setattr(fit, "stopped", stopped)
    assert ENDED[stopped] in repr(fit)


def test_parts_settings_and_difficulties_are_named():
    fit = zoo.fit(zoo.load("vae", prior="mixture"), guide_named("amortised_fixed_scale"), steps=1)
    assert "Fit of vae (prior mixture, likelihood bernoulli, decoder mlp, latent 10)" in repr(fit)
    assert "AmortisedNormal(fixed_scale=0.5)" in repr(fit)
    schools = zoo.fit(zoo.load("eight_schools"), MeanField)
    assert "(DADVI); converged" in repr(schools)
    assert "funnel" in repr(schools)
    own = zoo.fit(lambda x: None if x is None else _mean(x), MeanField, torch.randn(5), steps=1)
    assert repr(own).startswith("Fit of <lambda>, seed 0")


def _mean(x):
    import pyro
    import pyro.distributions as dist

    loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0), obs=x)


def test_a_notebook_shows_the_same(fit, metrics):
    cells = Cells(fit._repr_html_())
    assert not cells.open
    assert {"Fit of ppca on small, seed 0", "guide", "AmortisedNormal"} <= set(cells.texts)
    cells = Cells(metrics._repr_html_())
    assert not cells.open
    assert {"elbo", "k_hat", metrics.verdict.splitlines()[0]} <= set(cells.texts)


def test_metrics_are_a_table_and_a_verdict(metrics):
    text = str(metrics)
    assert text.startswith("Metrics on test: 30 rows, 100 draws each\n")
    elbo = next(line for line in text.splitlines() if line.strip().startswith("elbo"))
    value, sign, error, unit = elbo.split()[1:]
    assert (sign, unit) == ("±", "nats/row")
    assert float(value) == pytest.approx(metrics["elbo"].value, abs=metrics["elbo"].se)
    assert float(error) == pytest.approx(metrics["elbo"].se, rel=0.1)
    assert text.splitlines()[-len(metrics.verdict.splitlines()) :] == metrics.verdict.splitlines()
    for why in metrics.skipped.values():
        assert why in text


def test_small_numbers_below_zero_keep_their_digits():
    from zoo.metrics.metric import plus_minus

    assert plus_minus(-3.69935, 0.00089) == "-3.69935 ± 0.00089"
    assert plus_minus(3.69935, 0.00089) == "3.69935 ± 0.00089"


def test_the_loss_is_drawn(fit):
    axes = fit.plot_loss()
    lines = {line.get_label(): line for line in axes.get_lines()}
    rows = fit.task.data.rows
    assert np.allclose(lines["each step"].get_ydata(), fit.losses.numpy() / rows)
    smooth = lines["mean of 12 steps"].get_ydata()
    assert smooth[-1] == pytest.approx(float(fit.losses[-12:].mean()) / rows)
    assert list(lines["validation"].get_xdata()) == [step for step, _ in fit.valid]
    assert "nats/row" in axes.get_ylabel()
    _, own = plt.subplots()
    assert fit.plot_loss(own) is own
    plt.close("all")
