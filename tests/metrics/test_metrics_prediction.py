"""Predictions of conjugate models, and bounds from importance weights, against closed forms."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal

import guides
import zoo
from zoo.metrics.calibration import calibration, predictive_coverage, quantile_calibration
from zoo.metrics.metric import Metric
from zoo.metrics.prediction import bits_per_dimension, log_predictive, loo, predictive_check
from zoo.metrics.shares import share_error
from zoo.metrics.wasserstein_bound import (
    error_bounds,
    mean_bound,
    radius,
    sd_bound,
    two_divergence,
    wasserstein_bound,
)
from zoo.sampling.draws import draw

IDENTITY = 1e-8
TRAIN, PRIOR = 30, 2.0


def within(metric, truth):
    return abs(metric.value - truth) < 5 * metric.se


@pytest.fixture
def location():
    """A normal mean: data, and its posterior's mean and sd."""
    x = 0.7 + torch.randn(TRAIN)
    precision = TRAIN + PRIOR**-2
    return x, x.sum() / precision, precision**-0.5


def log_likelihood(x, mean, sd, draws=2000):
    return Normal(mean + sd * torch.randn(draws, 1), 1.0).log_prob(x)


def test_the_predictive_density_of_a_normal_mean(location):
    _, mean, sd = location
    new = 0.7 + torch.randn(25)
    metric, (values, errors) = log_predictive(log_likelihood(new, mean, sd))
    truth = Normal(mean, math.hypot(1, sd)).log_prob(new)
    assert within(metric, truth.mean().item())
    assert ((values - truth).abs() < 5 * errors).all()
    assert metric.unit == "nats/row"


def test_its_error_knows_that_rows_share_their_draws(location):
    _, mean, sd = location
    new = 0.7 + torch.randn(25)
    found = [log_predictive(log_likelihood(new, mean, sd, 200))[0] for _ in range(60)]
    values = torch.tensor([metric.value for metric in found])
    claimed = torch.tensor([metric.se for metric in found]).square().mean().sqrt()
    assert abs(values.std() / claimed - 1) < 5 / math.sqrt(2 * 59)


def test_it_takes_what_the_zoo_draws(location):
    x, mean, sd = location

    class Posterior(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = nn.Parameter(mean.clone())

        def forward(self, x):
            pyro.sample("loc", dist.Normal(self.mean, sd))

    def model(x):
        loc = pyro.sample("loc", dist.Normal(0.0, PRIOR))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc, 1.0), obs=x)

    fit = zoo.fit(model, Posterior(), x, steps=1, lr=1e-30)
    new = torch.randn(12)
    metric, _ = log_predictive(draw(fit.program, (new,), 1000).log_likelihood["x"])
    assert within(metric, Normal(mean, math.hypot(1, sd)).log_prob(new).mean().item())


def test_bits_of_a_uniform_model():
    coin = Metric(-784 * math.log(2), 0.5, "nats/row", "higher", "test")
    assert bits_per_dimension(coin, 784).value == pytest.approx(1, rel=IDENTITY)
    assert bits_per_dimension(coin, 784).se == pytest.approx(0.5 / 784 / math.log(2))
    flat = Metric(0.0, 0.0, "nats/row")
    assert bits_per_dimension(flat, 784, levels=256).value == pytest.approx(8, rel=IDENTITY)
    assert bits_per_dimension(flat, 784).better == "lower"
    with pytest.raises(ValueError, match="in nats/row; got one in 'nats'"):
        bits_per_dimension(Metric(0.0, 0.0, "nats"), 784)


def test_leave_one_out_of_a_normal_mean(location):
    x, mean, sd = location
    repeats = [loo(log_likelihood(x, mean, sd, 1000)) for _ in range(20)]
    precision = TRAIN - 1 + PRIOR**-2
    truth = Normal((x.sum() - x) / precision, (1 + 1 / precision) ** 0.5).log_prob(x)
    values = torch.stack([elpd for _, elpd in repeats])
    error = values.std(0) / 20**0.5
    assert ((values.mean(0) - truth).abs() < 5 * error).all()
    metrics, elpd = repeats[0]
    assert metrics["elpd_loo"].value == pytest.approx(elpd.sum().item(), rel=IDENTITY)
    assert metrics["elpd_loo"].se == pytest.approx((elpd.std() * TRAIN**0.5).item())
    assert metrics["loo_k_hat_share"].value == 0
    assert metrics["loo_k_hat_share"].se == share_error(0.0, TRAIN) > 0
    full = Normal(mean, math.hypot(1, sd)).log_prob(x).sum().item()
    parameters = torch.tensor([found["p_loo"].value for found, _ in repeats])
    assert abs(parameters.mean() - (full - truth.sum())) < 5 * parameters.std() / 20**0.5


def test_predictive_checks_find_the_statistic_that_does_not_fit():
    observed = torch.distributions.StudentT(2.0).sample((200,))
    observed = (observed - observed.mean()) / observed.std()
    found = predictive_check(
        observed, torch.randn(400, 200), {"mean": torch.mean, "largest": lambda x: x.abs().max()}
    )
    assert found["predictive_p/largest"].value < 0.01
    assert 0.05 < found["predictive_p/mean"].value < 0.95


def test_predictive_p_values_are_tail_probabilities():
    observed = torch.zeros(50) + 0.2
    found = predictive_check(observed, torch.randn(4000, 50), {"mean": torch.mean})
    truth = 1 - Normal(0.0, 1.0).cdf(torch.tensor(0.2 * 50**0.5)).item()
    assert within(found["predictive_p/mean"], truth)
    (never,) = predictive_check(observed + 9, torch.randn(40, 50), {"mean": torch.mean}).values()
    assert (never.value, never.se) == (0, share_error(0.0, 40))
    assert never.se > 0


def test_a_calibrated_classifier_has_the_error_of_chance():
    p = torch.rand(3000)
    curve = calibration(p, torch.bernoulli(p))
    spread = curve.error.se
    assert abs(curve.error.value - curve.chance) < 5 * spread
    assert curve.counts.sum() == 3000
    deviation = (curve.frequency - curve.confidence).abs()
    noise = (curve.confidence * (1 - curve.confidence) / curve.counts).sqrt()
    assert (deviation < 5 * noise).all()


def test_an_overconfident_classifier_has_its_excess():
    p = torch.where(torch.rand(4000) < 0.5, 0.1, 0.9)
    label = torch.bernoulli(torch.where(p > 0.5, 0.7, 0.3))
    curve = calibration(p, label, bins=2)
    noise = math.sqrt(0.21 / 4000)
    assert abs(curve.error.value - 0.2) < 5 * noise + 0.02
    assert curve.error.value > curve.chance + 5 * curve.error.se


@pytest.mark.parametrize(
    ("probability", "label", "message"),
    [
        (torch.tensor([0.2, 1.2]), torch.tensor([0.0, 1.0]), r"in \[0, 1\]; got 0.2 to 1.2"),
        (torch.tensor([0.2]), torch.tensor([0.0, 1.0]), r"got \(1,\) and \(2,\)"),
    ],
)
def test_what_is_no_probability_is_refused(probability, label, message):
    with pytest.raises(ValueError, match=message):
        calibration(probability, label)


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.0])
def test_quantiles_of_numbers_have_their_normal_shares(scale):
    loc = torch.randn(1000)
    observed, drawn = loc + torch.randn(1000), loc + scale * torch.randn(2000, 1000)
    curve = quantile_calibration(observed, drawn)
    normal = Normal(0.0, 1.0)
    truth = normal.cdf(scale * normal.icdf(curve.confidence))
    noise = (truth * (1 - truth) / 1000).sqrt()
    assert ((curve.frequency - truth).abs() < 5 * noise).all()
    excess = (truth - curve.confidence).abs().mean().item()
    assert abs(curve.error.value - max(excess, curve.chance)) < 5 * curve.error.se
    assert (curve.error.value > curve.chance + 5 * curve.error.se) == (scale != 1.0)


def test_quantiles_need_the_rows():
    with pytest.raises(ValueError, match=r"got \(3,\) and \(50, 4\)"):
        quantile_calibration(torch.zeros(3), torch.zeros(50, 4))


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_predictive_coverage(scale):
    found = predictive_coverage(torch.randn(800), scale * torch.randn(4000, 800))
    for level in (0.5, 0.9):
        edge = scale * Normal(0.0, 1.0).icdf(torch.tensor(0.5 + level / 2))
        truth = (2 * Normal(0.0, 1.0).cdf(edge) - 1).item()
        assert within(found[f"predictive_coverage_{round(100 * level)}"], truth)
    for metric in predictive_coverage(torch.zeros(80), torch.randn(100, 80)).values():
        assert metric.value == 1
        assert metric.se == share_error(1.0, 80) > 0


# Bounds from importance weights


def normals(shift, scale, dimensions=2, draws=20_000):
    """q, p = q moved and narrowed, draws of q and their log-weights, up to log evidence -3."""
    q = MultivariateNormal(torch.zeros(dimensions), torch.eye(dimensions))
    p = MultivariateNormal(torch.full((dimensions,), shift), scale**2 * torch.eye(dimensions))
    z = q.sample((draws, 1))
    return z, p.log_prob(z) - q.log_prob(z) - 3.0


def divergence_of(shift, scale, dimensions=2):
    """log E_q[(p/q)^2] of such normals, for scale below sqrt(2)."""
    one = -math.log(scale) - 0.5 * math.log(2 - scale**2) + shift**2 / (2 - scale**2)
    return dimensions * one


CASES = [(0.2, 1.0), (0.0, 0.8), (0.3, 0.7)]


@pytest.mark.parametrize(("shift", "scale"), CASES)
def test_the_two_divergence_has_its_closed_form(shift, scale):
    _, log_w = normals(shift, scale)
    value, error = two_divergence(log_w, torch.tensor([-3.0]))
    truth = divergence_of(shift, scale)
    assert abs(value.item() - truth) < 5 * error.item()
    bound, error = two_divergence(log_w)
    kl = 2 * (math.log(scale) - 0.5 + (1 + shift**2) / (2 * scale**2))
    assert abs(bound.item() - (truth + 2 * kl)) < 5 * error.item()


@pytest.mark.parametrize(("shift", "scale"), CASES)
def test_the_bounds_hold_and_are_computed_as_written(shift, scale):
    z, log_w = normals(shift, scale)
    found = two_divergence(log_w, torch.tensor([-3.0]))
    true_w2 = math.sqrt(2 * (shift**2 + (1 - scale) ** 2))
    for order in (1, 2):
        bound, error = wasserstein_bound(z, found, order=order)
        assert bound.item() > true_w2 * (1 if order == 2 else 0.5)
        chi = math.sqrt(math.expm1(divergence_of(shift, scale)))
        moment = {1: 2.0, 2: 8.0}[order]  # E |z|^2 and E |z|^4 in the plane
        truth = 2 ** (1 - 1 / order) * moment ** (1 / (2 * order)) * chi ** (1 / order)
        assert abs(bound.item() - truth) < 5 * error.item()
    assert (mean_bound(z, found)[0] > shift).all()
    assert (sd_bound(z, found)[0] > 1 - scale).all()


def test_the_bound_on_the_mean_is_nearly_reached_by_a_small_shift():
    z, log_w = normals(0.1, 1.0, dimensions=1)
    bound, error = mean_bound(z, two_divergence(log_w, torch.tensor([-3.0])))
    truth = math.sqrt(math.expm1(0.01))
    assert abs(bound.item() - truth) < 5 * error.item()
    assert truth == pytest.approx(0.1, rel=0.01)


def test_the_exact_guide_has_no_error():
    z, _ = normals(0.0, 1.0, draws=500)
    log_w = torch.full((500, 1), -3.0)
    chi, _ = radius(two_divergence(log_w))
    assert chi.item() < 1e-6
    found = error_bounds(z, log_w)
    assert found["two_divergence"].value < IDENTITY
    assert found["mean_error_bound"].value < 1e-6
    assert not found["two_divergence"].note


def test_heavy_weights_are_marked():
    z, log_w = normals(1.0, 1.6, draws=1000)
    found = error_bounds(z, log_w)
    assert all("may be too small" in metric.note for metric in found.values())
    with pytest.raises(ValueError, match="order of at least 1; got 0"):
        wasserstein_bound(z, two_divergence(log_w), order=0)


def test_a_regression_has_the_calibration_of_its_quantiles():
    """Bayesian linear regression that knows its noise, trained to the posterior."""
    fit = zoo.fit(
        zoo.load("linear_regression"), guides.FullRank, steps=300, lr=0.02, compile=False
    )
    found = zoo.evaluate(fit, metrics=["calibration_error"], draws=500)["calibration_error"]
    assert found.se > 0
    assert "of 9 quantiles" in found.note
    assert found.value < 0.2
