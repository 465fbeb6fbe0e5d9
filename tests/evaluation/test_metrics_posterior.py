"""Metrics against an exact posterior: labels by their probability, draws where nothing is seen."""

import json

import pyro
import pytest
import torch

import guides
import zoo
from zoo.evaluation.evaluate import metrics_record
from zoo.metrics.posterior import posterior_errors
from zoo.metrics.wasserstein_bound import error_bounds, radius, wasserstein_bound

STILL = {"steps": 1, "lr": 1e-30, "compile": False}


@pytest.fixture(scope="module")
def mixture():
    """The Gaussian mixture with its exact posterior as the guide."""
    fit = zoo.fit(
        zoo.load("gaussian_mixture"),
        guides.AmortisedDiscrete,
        objective="enumerate",
        steps=300,
        compile=False,
    )
    model = fit.model

    def responsibilities(x):
        q = pyro.param("tilt", torch.zeros(3))
        with torch.no_grad():
            logits = model.posterior(x)["z"].logits
        with pyro.plate("data", len(x)):
            pyro.sample("z", pyro.distributions.OneHotCategorical(logits=logits + q))

    rows = fit.task.split("train")
    return zoo.fit(model, responsibilities, *rows, objective="rloo", **STILL)


@pytest.mark.thin(3)
@pytest.mark.parametrize("seed", range(6))
def test_the_exact_posterior_of_labels_is_not_accused(mixture, seed):
    found = zoo.evaluate(mixture, metrics="posterior", draws=400, seed=seed)
    metric = found["posterior_mean_error"]
    assert metric.unit == "probability"
    assert metric.value <= 2.5 * metric.se
    assert "sds follow from their probabilities" in found.skipped["posterior_sd_error"]


def test_wrong_labels_are():
    p = torch.tensor([[0.9, 0.1], [1e-5, 1 - 1e-5]])
    exact = {"z": (p, (p * (1 - p)).sqrt())}
    wrong = torch.distributions.OneHotCategorical(torch.tensor([[0.7, 0.3], [1e-5, 1 - 1e-5]]))
    metric = posterior_errors({"z": wrong.sample((2000,))}, exact, "", labels={"z"})
    (metric,) = metric.values()
    assert abs(metric.value - 0.2 / 2**0.5) < 5 * metric.se


def test_a_label_that_is_seldom_drawn_does_not_outweigh_the_others():
    p = torch.tensor([[0.5], [1e-5]])
    draws = torch.bernoulli(p.expand(1000, 2, 1))
    draws[0, 1] = 1  # 1e-3 for 1e-5: 0.3 of its sds
    (metric,) = posterior_errors(
        {"z": draws}, {"z": (p, (p * (1 - p)).sqrt())}, "", labels={"z"}
    ).values()
    assert metric.value < 0.03


@pytest.mark.parametrize("label", [0.5, 1e-3])
def test_the_error_is_that_of_exact_draws(label):
    p = torch.full((50, 1), label)
    exact = {"z": (p, (p * (1 - p)).sqrt())}
    beyond = 0
    for _ in range(100):
        draws = torch.bernoulli(p.expand(1000, 50, 1))
        (metric,) = posterior_errors({"z": draws}, exact, "", labels={"z"}).values()
        beyond += metric.value > 2.5 * metric.se
    assert beyond <= 5


def test_bounds_of_labels_and_of_exact_weights_are_finite_and_written(mixture):
    found = zoo.evaluate(mixture, metrics="wasserstein_bound", draws=100)
    assert all(metric.se < 100 for metric in found.values())
    json.dumps(metrics_record(found), allow_nan=False)


def test_the_error_of_a_vanishing_bound_is_finite():
    z, log_w = torch.randn(500, 2, 3), torch.full((500, 2), -3.0)
    z[:, 1] = 1.0  # the same draw always
    for metric in error_bounds(z, log_w, torch.full((2,), -3.0)).values():
        assert 0 <= metric.value < 1e-3
        assert 0 <= metric.se < 1e-3
    divergence = torch.tensor([0.0, 1e-6, 0.5]), torch.tensor([0.01, 0.01, 0.01])
    chi, error = radius(divergence)
    assert (error < 0.2).all()
    assert error[2].item() == pytest.approx(0.0102, rel=0.05)  # the delta method
    values, errors = wasserstein_bound(torch.randn(500, 3, 2), divergence)
    assert values.isfinite().all()
    assert (errors < 5).all()


@pytest.mark.thin(2)
@pytest.mark.parametrize("name", ["neals_funnel", "banana"])
def test_a_target_that_observes_nothing_has_exact_draws(name):
    """Its posterior is its prior."""
    task = zoo.load(name)
    fit = zoo.fit(task, guides.MeanField, steps=300, lr=0.05, compile=False)
    found = zoo.evaluate(fit, metrics="two_sample", draws=300)
    assert {"sliced_wasserstein_1", "mmd_p", "classifier_knn", "coverage_90"} <= set(found)
    assert found["classifier_knn"].value > 0.5
