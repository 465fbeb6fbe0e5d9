"""How many draws an evaluation takes where none are asked for."""

import importlib

import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import (
    exact_guide,
    fitted_ppca_task,
)

import zoo
from guides import (
    MeanField,
)
from zoo.evaluation.evaluate import default_draws


@pytest.mark.parametrize(("weights", "draws"), [(2_000_000, 1000), (12_000, 400), (1, 200)])
def test_the_usual_draws_are_fewer_where_rows_are_many(monkeypatch, weights, draws):
    module = importlib.import_module("zoo.evaluation.evaluate")
    monkeypatch.setattr(module, "MOST_WEIGHTS", weights)
    task = fitted_ppca_task()
    fit = zoo.fit(task, exact_guide(task), steps=1, lr=1e-30)
    found = zoo.evaluate(fit, metrics=["elbo"])
    assert (found.rows, found.draws) == (30, draws)


@pytest.mark.parametrize(
    ("rows", "draws"), [(1, 10_000), (1000, 10_000), (4000, 2500), (1_000_000, 1000)]
)
def test_a_single_weight_gets_more_draws(rows, draws):
    """At 1000 draws its k-hat has an error of 0.17."""
    assert default_draws(rows, one_weight=True) == draws


def test_a_model_of_one_weight_is_scored_on_ten_thousand_draws():
    def conjugate(x):
        mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 1.0), obs=x)

    result = zoo.fit(conjugate, MeanField, torch.randn(12), steps=3)
    found = zoo.evaluate(result, metrics=["k_hat"])
    assert found.draws == 10_000
    assert found["k_hat"].se < 0.12
