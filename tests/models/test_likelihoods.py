"""Likelihoods of a row: each is normalised, draws what it says, and expects what it draws."""

import math

import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, ERRORS, IDENTITY, MODEL_CASES, standard_error
from pyro import poutine
from torch.distributions import Normal

from zoo.isolation import isolated
from zoo.likelihoods import (
    LIKELIHOODS,
    BernoulliLikelihood,
    CategoricalLikelihood,
    DequantisedLikelihood,
    GaussianLikelihood,
    GaussianMixtureLikelihood,
    LogisticMixtureLikelihood,
)
from zoo.likelihoods.levels import index_of
from zoo.metrics.metric import Metric
from zoo.metrics.prediction import bits_per_dimension
from zoo.models.vaes.dequantised_vae import DequantisedVAE
from zoo.priors import StandardNormal

DISCRETE = {
    "bernoulli": (BernoulliLikelihood(), 2),
    "categorical": (CategoricalLikelihood(5), 5),
    "logistic_mixture": (LogisticMixtureLikelihood(5, components=2), 5),
    "logistic_mixture, 2": (LogisticMixtureLikelihood(2, components=3), 2),
    "logistic_mixture, 256": (LogisticMixtureLikelihood(256, components=3), 256),
}
CONTINUOUS = {
    "gaussian": GaussianLikelihood(),
    "gaussian_learned": GaussianLikelihood(learned=True),
    "gaussian_mixture": GaussianMixtureLikelihood(components=3),
    "dequantised": DequantisedLikelihood(),
}


def outputs_of(likelihood, *batch, spread=2.0):
    return spread * torch.randn(*batch, likelihood.numbers)


def test_every_likelihood_of_the_table_has_a_case():
    assert {name.split(",")[0] for name in DISCRETE} | set(CONTINUOUS) == set(LIKELIHOODS)


@pytest.mark.parametrize("name", DISCRETE)
def test_probabilities_of_levels_sum_to_one(name):
    likelihood, levels = DISCRETE[name]
    outputs = outputs_of(likelihood, 6, 1, 1, spread=5.0)
    x = torch.arange(levels).double() / (levels - 1)
    total = likelihood(outputs).log_prob(x.unsqueeze(-1)).exp().sum(-1)
    assert (total - 1).abs().max() < IDENTITY


@pytest.mark.parametrize("name", DISCRETE)
def test_it_draws_and_expects_what_it_says(name):
    likelihood, levels = DISCRETE[name]
    outputs = outputs_of(likelihood, 3)
    x = torch.arange(levels).double() / (levels - 1)
    rows = likelihood(outputs)
    each = [likelihood(outputs[j : j + 1]) for j in range(3)]
    probabilities = torch.stack([one.log_prob(x.unsqueeze(-1)).exp() for one in each])
    assert (likelihood.mean(outputs) - probabilities @ x).abs().max() < IDENTITY
    with isolated(seed=1):
        draws = rows.sample((4000,))
    assert (rows.event_shape, draws.shape) == ((3,), (4000, 3))
    for function in (torch.clone, torch.square):
        found = function(draws)
        exact = probabilities @ function(x)
        assert ((found.mean(0) - exact).abs() < ERRORS * standard_error(found)).all()
    assert (index_of(draws, levels) / (levels - 1) - draws).abs().max() < IDENTITY


def test_logistics_far_from_the_level_keep_their_gradient():
    """Where the two sigmoids round to the same number, their difference does not."""
    likelihood = LogisticMixtureLikelihood(256, components=1)
    outputs = torch.tensor([[[0.0, -0.9, -6.0]]], requires_grad=True)
    log_p = likelihood(outputs).log_prob(torch.full((1, 1), 200 / 255))
    (gradient,) = torch.autograd.grad(log_p.sum(), outputs)
    assert log_p.isfinite().all()
    assert gradient[..., 1:].all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_density_integrates_to_one(name):
    likelihood = CONTINUOUS[name]
    outputs = outputs_of(likelihood, 1, spread=0.3)
    x = torch.linspace(-30.0, 30.0, 200_001).double()
    density = likelihood(outputs).log_prob(x.unsqueeze(-1)).exp().detach()
    assert abs(float(torch.trapezoid(density, x)) - 1) < IDENTITY


def test_a_density_of_continuous_data_exceeds_one():
    """Its logarithm is then positive, and bits per dimension may be below any number."""
    likelihood = GaussianLikelihood(learned=True)
    with torch.no_grad():
        likelihood.log_scale.fill_(math.log(0.01))
    log_p = likelihood(torch.zeros(1, 1)).log_prob(torch.zeros(1)).detach()
    assert float(log_p.exp()) > 39
    found = bits_per_dimension(Metric(float(log_p), 0.0, "nats/row", "higher", ""), 1)
    assert found.value < 0


def fitted(levels):
    """One pixel, a decoder that ignores z, and the density of y."""
    decoder = torch.nn.Linear(1, 2, bias=True)
    with torch.no_grad():
        decoder.weight.zero_()
        decoder.bias.copy_(torch.tensor([0.45, -0.3]))
    unflatten = torch.nn.Sequential(decoder, torch.nn.Unflatten(-1, (1, 2)))
    model = DequantisedVAE(unflatten, DequantisedLikelihood(), StandardNormal(1), levels)
    return model, Normal(0.45, math.exp(-2.3))


def test_uniform_dequantisation_is_a_bound_on_the_probability_of_a_level():
    """E_u log p((k + u) / L) - log L <= log P(k), both exact: by quadrature and in closed form."""
    levels = 7
    model, y = fitted(levels)
    x = torch.arange(levels).double().unsqueeze(-1) / (levels - 1)
    edges = torch.arange(levels + 1).double() / levels
    exact = y.cdf(edges).diff().log()
    u = (torch.arange(4000).double() + 0.5) / 4000
    filled = model.filled(torch.zeros(1))
    k = index_of(x, levels)
    log_p = filled.log_prob((k + u).unsqueeze(-1))
    bound, evidence = log_p.mean(-1), log_p.logsumexp(-1) - math.log(4000)
    assert (evidence - exact).abs().max() < AUTODIFF
    assert (bound < exact).all()
    assert (exact - bound).max() > 0.01


def test_its_joint_density_is_that_of_the_bin():
    """log p(z, u, x) = log N(z) + 0 + sum_j log p((k_j + u_j) / L) - D log L."""
    model, (x,) = MODEL_CASES["dequantised_vae"].make()
    trace = poutine.trace(model).get_trace(x)
    trace.compute_log_prob()
    z, u = (trace.nodes[name]["value"] for name in ("z", "u"))
    loc, log_scale = model.decode(z).unbind(-1)
    y = (4 * x + u) / 5
    expected = dist.Normal(loc, (log_scale - 2).exp()).log_prob(y).sum() - u.numel() * math.log(5)
    expected = expected + dist.Normal(0.0, 1.0).log_prob(z).sum()
    assert (trace.log_prob_sum() - expected).abs() < IDENTITY * expected.abs()


def test_a_dequantised_row_is_expected_in_the_unit_interval():
    model, _ = fitted(7)
    assert (model.mean(torch.zeros(2, 1)) - (7 * 0.45 - 0.5) / 6).abs().max() < IDENTITY
    with pytest.raises(ValueError, match="Expected levels of at least 2; got 0"):
        fitted(0)
