"""Metrics of merit on weights whose answer is known, and the honesty of their standard errors."""

import math
from functools import partial

import pytest
import torch
from small_tasks import best_diagonal_guide, fitted_ppca_task

import zoo
from zoo.metrics import WEIGHT_METRICS
from zoo.metrics.bounds import ImportanceBound, log_evidence
from zoo.metrics.shares import share_error
from zoo.metrics.weight_diagnostics import (
    effective_sample_size,
    k_hat,
    k_hat_share,
    k_hat_threshold,
)

IDENTITY = 1e-8
SEEDS = 50
HONEST = (
    "elbo",
    "iwae_10",
    "iwae_100",
    "log_evidence",
    "ess",
    "k_hat",
    "k_hat_share",
    "gap",
    "posterior_mean_error",
    "posterior_sd_error",
)


def close(actual, expected):
    torch.testing.assert_close(actual, torch.as_tensor(expected), rtol=IDENTITY, atol=IDENTITY)


def test_the_formulas():
    log_w = torch.randn(60, 4)
    w = log_w.exp()
    close(WEIGHT_METRICS["elbo"].compute(log_w)[0], log_w.mean(0))
    close(log_evidence(log_w)[0], w.mean(0).log())
    assert (log_evidence(log_w)[1] > w.std(0) / w.mean(0) / 60**0.5).all()  # the tail adds
    few = w[:20]  # too few for a tail
    close(log_evidence(few.log())[1], few.std(0) / few.mean(0) / 20**0.5)
    close(effective_sample_size(log_w)[0], w.sum(0) ** 2 / (w**2).sum(0))
    close(ImportanceBound(1)(log_w)[0], log_w.mean(0))
    close(ImportanceBound(30)(log_w)[0], w.reshape(30, 2, 4).mean(0).log().mean(0))


def test_weights_far_from_one_do_not_overflow():
    log_w = torch.randn(100, 3)
    for metric in WEIGHT_METRICS.values():
        if metric.compute == ImportanceBound(100):
            continue
        near, far = metric.compute(log_w), metric.compute(log_w - 5000)
        shift = 5000.0 if metric.unit == "nats" else 0.0
        torch.testing.assert_close(far[0] + shift, near[0], rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(far[1], near[1], rtol=1e-8, atol=1e-8)


def test_uniform_weights_are_worth_all_draws():
    value, error = effective_sample_size(torch.full((1000, 3), -7.0))
    close(value, torch.full((3,), 1000.0))
    close(error, torch.zeros(3))
    assert (k_hat(torch.full((1000, 3), -7.0))[0] < 0).all()


def test_one_weight_above_all_others_is_worth_one_draw():
    log_w = torch.zeros(1000, 1)
    log_w[17] = 100
    value, error = effective_sample_size(log_w)
    close(value, torch.ones(1))
    close(error, torch.tensor([998.0]))  # without it 999 equal weights are left
    assert k_hat(log_w)[0].isnan().all()  # all others are alike: no tail


@pytest.mark.parametrize("scale", [1.0, 20.0, 400.0])
def test_the_error_of_the_effective_size_leaves_each_draw_out(scale):
    """Also in single precision, where one minus a weight near 1 is nothing but rounding."""
    log_w = scale * torch.randn(30, 5)
    sizes = []
    for draw in range(30):
        w = torch.cat([log_w[:draw], log_w[draw + 1 :]]).softmax(0)
        sizes.append(1 / (w**2).sum(0))
    error = (29 * torch.stack(sizes).var(0, correction=0)).sqrt()
    close(effective_sample_size(log_w)[1], 30 / 29 * error)
    single = effective_sample_size(log_w.float())[1]
    torch.testing.assert_close(single.double(), 30 / 29 * error, rtol=1e-4, atol=1e-4)


def test_the_only_weight_above_zero_leaves_nothing():
    log_w = torch.full((30, 1), -math.inf)
    log_w[3] = 0.0
    value, error = effective_sample_size(log_w)
    close(value, torch.ones(1))
    assert error.isfinite().all()


@pytest.mark.parametrize("tail", [0.1, 0.3, 1.0, 1.5])
def test_k_hat_is_the_index_of_the_tail(tail):
    heavy = tail * torch.distributions.Exponential(1.0).sample((4000, 20))
    values, errors = k_hat(heavy)
    assert abs(values.mean() - tail) < 5 * values.std() / 20**0.5
    assert (errors > 0).all()
    summary = partial(WEIGHT_METRICS["k_hat_share"].summarise, rowwise=True, note="")
    share = summary(*k_hat_share(heavy))
    assert share.value == (1.0 if tail > 0.7 else 0.0)
    assert share.se == share_error(share.value, 20) > 0
    assert summary(*k_hat_share(heavy[:, :1])).se == 0


def test_the_threshold_of_k_hat_grows_with_the_draws():
    assert k_hat_threshold(100) == pytest.approx(0.5, rel=IDENTITY)
    assert k_hat_threshold(1000) == pytest.approx(1 - 1 / 3, rel=IDENTITY)
    assert k_hat_threshold(10**6) == 0.7


def test_few_draws_make_no_importance_bound():
    with pytest.raises(ValueError, match="at least 20 draws for two groups of K = 10; got 19"):
        ImportanceBound(10)(torch.zeros(19, 2))


@pytest.fixture(scope="module")
def repeated():
    """The metrics of one fit under 50 seeds; its guide is off in mean and spread."""
    torch.manual_seed(0)
    task = fitted_ppca_task()
    guide = best_diagonal_guide(task)
    with torch.no_grad():
        guide.encoder.heads[0].bias.add_(torch.tensor([0.1, -0.1, 0.5, 0.5]))
    result = zoo.fit(task, guide, steps=1, lr=1e-30)
    names = list(HONEST)
    return [zoo.evaluate(result, metrics=names, draws=400, seed=seed) for seed in range(SEEDS)]


@pytest.mark.thorough
@pytest.mark.parametrize("name", HONEST)
def test_standard_errors_are_honest(name, repeated):
    values = torch.tensor([found[name].value for found in repeated])
    claimed = torch.tensor([found[name].se for found in repeated]).square().mean().sqrt()
    spread = values.std() / claimed
    assert abs(spread - 1) < 5 / math.sqrt(2 * (SEEDS - 1))
