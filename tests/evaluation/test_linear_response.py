"""Sds by linear response, beside the exact ones and those of long runs of NUTS."""

import pyro
import pyro.distributions as dist
import pytest
import torch

import guides
import zoo
from zoo.metrics.posterior import exact_moments
from zoo.reference import reference


def settled(model, *args, **settings):
    return zoo.fit(model, guides.MeanField, *args, seed=0, **settings)


def test_a_normal_posterior_has_its_exact_covariance():
    """Two correlated numbers: the precision is known, and its inverse is the covariance."""
    precision = torch.tensor([[2.0, 1.2], [1.2, 1.0]])

    def model():
        zero = torch.zeros(2)
        pyro.sample("z", dist.MultivariateNormal(zero, precision_matrix=precision))

    found = zoo.linear_response(settled(model))
    assert found.covariance == pytest.approx(precision.inverse().double().numpy(), rel=1e-5)
    alone = precision.diagonal().rsqrt().double()
    assert found.mean_field_sd["z"].numpy() == pytest.approx(alone.numpy(), rel=1e-4)


def test_linear_regression_has_its_exact_sds():
    task = zoo.load("linear_regression")
    exact = exact_moments(task.build(), tuple(task.scoring_args("train")))
    found = zoo.linear_response(settled(task, freeze_model=True))
    sd = exact["beta"][1].double()
    assert (found.sd["beta"] / sd - 1).abs().max() < 1e-4
    assert (found.mean_field_sd["beta"] / sd - 1).abs().max() > 0.4


@pytest.mark.thorough
def test_logistic_regression_comes_near_to_nuts():
    task = zoo.load("logistic_regression")
    sd = reference(task).moments()["beta"][1].double()
    found = zoo.linear_response(settled(task), seeds=2)
    assert (found.sd["beta"] / sd - 1).abs().max() < 0.05
    assert (found.mean_field_sd["beta"] / sd - 1).abs().max() > 0.4


def test_sds_are_of_the_log_of_a_positive_latent_with_their_shapes():
    def model():
        with pyro.plate("groups", 3):
            pyro.sample("scale", dist.LogNormal(0.0, 0.7))
        pyro.sample("shift", dist.Normal(1.0, 2.0))

    found = zoo.linear_response(settled(model), seeds=2)
    assert found.sd["scale"].tolist() == pytest.approx([0.7] * 3, rel=1e-5)
    assert float(found.sd["shift"]) == pytest.approx(2.0, rel=1e-5)
    assert found.sd["shift"].shape == ()
    assert float(found.sd_se["shift"]) < 1e-5


def test_a_fit_by_steps_is_refused():
    fit = settled(zoo.load("linear_regression"), steps=5)
    with pytest.raises(ValueError, match="optimizer='dadvi'"):
        zoo.linear_response(fit)


def test_a_guide_with_correlations_is_refused():
    fit = zoo.fit(zoo.load("linear_regression"), guides.FullRank, seed=0)
    with pytest.raises(ValueError, match="mean-field normal.*FullRank"):
        zoo.linear_response(fit)


def test_a_model_with_parameters_is_refused():
    def model(y):
        scale = pyro.param("scale", torch.tensor(1.0), constraint=dist.constraints.positive)
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("rows", len(y)):
            pyro.sample("y", dist.Normal(z, scale), obs=y)

    fit = settled(model, torch.tensor([0.5, 1.0, -2.0, 0.3]))
    with pytest.raises(ValueError, match="parameters of its own"):
        zoo.linear_response(fit)
