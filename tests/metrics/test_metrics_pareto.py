"""The tail of the weights: equal to ArviZ's fit, and an error that covers."""

import math
import warnings

import pytest
import torch

from zoo.arviz_compat import LEGACY
from zoo.metrics import WEIGHT_METRICS
from zoo.metrics.bounds import log_evidence
from zoo.metrics.pareto import fit_pareto, fit_tail, variance_of_mean_excess
from zoo.metrics.weight_diagnostics import k_hat

IDENTITY = 1e-8
ERRORS = 5


def test_the_shape_is_arviz_k_hat():
    log_w = 2 * torch.randn(1000, 30)
    tail, theirs = fit_tail(log_w), k_hat(log_w)[0]
    error = (1 + tail.k) / tail.exceedances**0.5
    assert ((tail.k - theirs).abs() < error).all()  # ArviZ 1.x fits another number of weights
    if LEGACY:
        torch.testing.assert_close(tail.k, theirs, rtol=IDENTITY, atol=IDENTITY)


def test_no_tail_in_few_or_equal_weights():
    assert fit_tail(torch.randn(20, 3)) is None
    assert fit_tail(torch.zeros(100, 3)).k.isnan().all()
    value, error = log_evidence(torch.full((100, 3), -2.0))
    torch.testing.assert_close(value, torch.full((3,), -2.0))
    assert (error < IDENTITY).all()


@pytest.mark.parametrize("k", [0.1, 0.4])
def test_the_variance_of_the_mean_excess_is_that_of_repeated_fits(k):
    """Smith's formula against the spread of sigma / (1 - k) over many fits."""
    count, repeats = 400, 2000
    uniform = torch.rand(count, repeats)
    excess = ((uniform**-k - 1) / k).sort(0).values
    shape, sigma = fit_pareto(excess)
    unshrunk = (shape * (count + 10) - 5) / count
    found = (sigma / (1 - unshrunk)).var() * count
    tail = type("Tail", (), {"k": torch.tensor(k), "sigma": torch.tensor(1.0)})
    expected = variance_of_mean_excess(tail)
    assert 0.8 < found / expected < 1.25


def coverage(k, draws=1000, rows=1500):
    """Shares of 95 % intervals that hold the truth: by the weights' variance, and the zoo's."""
    log_w = k * torch.distributions.Exponential(1.0).sample((draws, rows))
    value, error = log_evidence(log_w)
    off = (value + math.log(1 - k)).abs()
    plain = log_w.exp().std(0) / log_w.exp().mean(0) / draws**0.5
    return [float((off < 1.96 * se).double().mean()) for se in (plain, error)]


@pytest.mark.thin(3)
@pytest.mark.parametrize("k", [0.5, 0.6, 0.65])
def test_intervals_cover_better_where_the_variance_ends(k):
    plain, ours = coverage(k)
    error = (0.95 * 0.05 / 1500) ** 0.5
    assert ours > plain + ERRORS * error
    assert ours > 0.86


def draws_of(shape, rows):
    """Log-weights of mean 1, with a Pareto tail or lognormal, that many rows of 1000."""
    if shape == "pareto":
        return 0.66 * torch.distributions.Exponential(1.0).sample((1000, rows)) + math.log(0.34)
    return 2 * torch.randn(1000, rows) - 2


@pytest.mark.thin(2)
@pytest.mark.parametrize("shape", ["pareto", "lognormal"])
def test_the_error_is_wide_rather_than_narrow_near_the_threshold(shape):
    """What the docstring says of the error and of the bias, where k-hat is near 0.7."""
    rows = 2000
    value, error = log_evidence(draws_of(shape, rows))
    sd, bound = float(value.std()), float(error.square().mean()) / 2
    assert 0.9 * sd < float(error.mean()) < 2.3 * sd
    low, noise = -float(value.mean()), sd / rows**0.5
    assert -ERRORS * noise < low < 1.1 * bound + ERRORS * noise
    assert float((value.abs() < 1.96 * error).double().mean()) > 0.86
    if shape == "lognormal":
        assert low + ERRORS * noise < bound / 2


def test_light_tails_are_left_as_they_were():
    plain, ours = coverage(0.1)
    assert abs(ours - 0.95) < ERRORS * (0.95 * 0.05 / 1500) ** 0.5
    assert abs(ours - plain) < 0.02


@pytest.mark.parametrize("spread", [0.0, 1e-14])
def test_equal_weights_raise_no_warning(spread):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, _ = k_hat(torch.full((1000, 3), -7.0) + spread * torch.randn(1000, 3))
    assert (found < 0.5).all()


@pytest.mark.thorough
def test_the_mean_over_many_rows_counts_that_each_is_low():
    """Weights exp(N(-s^2 / 2, s^2)) have mean 1; the log of a mean of 50 is low by about .006."""
    metric, held, narrow = WEIGHT_METRICS["log_evidence"], [], []
    rows, repeats = 3000, 100
    for _ in range(repeats):
        values, errors = log_evidence(0.7 * torch.randn(50, rows) - 0.245)
        found = metric.summarise(values, errors, rowwise=True, note="")
        held.append(abs(found.value) < 1.96 * found.se)
        narrow.append(abs(found.value) < 1.96 * float(errors.square().sum().sqrt()) / rows)
    error = (0.95 * 0.05 / repeats) ** 0.5
    assert sum(held) / repeats > 0.95 - ERRORS * error
    assert sum(narrow) / repeats < 0.95 - ERRORS * error
