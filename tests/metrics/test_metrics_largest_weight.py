"""Weights that fool k-hat: extreme ones, and ties; and the share of the largest of them."""

import math

import arviz
import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.distributions import constraints

import zoo
from zoo.arviz_compat import LEGACY
from zoo.metrics import WEIGHT_METRICS
from zoo.metrics.pareto import fit_tail, smoothed
from zoo.metrics.weight_diagnostics import k_hat, k_hat_share, k_hat_threshold, largest_weight

IDENTITY = 1e-8


@pytest.mark.parametrize("spread", [10.0, 30.0, 100.0, 300.0, 1000.0])
@pytest.mark.parametrize("draws", [200, 1000])
def test_one_weight_that_counts_has_a_large_k_hat(spread, draws):
    """Weights that differ by hundreds of nats are 0 beside the largest in floating point."""
    values, errors = k_hat(spread * torch.randn(draws, 4))
    assert (values > spread / 10).all()
    assert errors.isfinite().all()


@pytest.mark.skipif(not LEGACY, reason="ArviZ 1.x fits another number of weights")
@pytest.mark.parametrize("k", [0.1, 0.5, 0.9])
def test_smoothed_weights_and_their_shape_are_those_of_arviz(k):
    log_w = k * torch.distributions.Exponential(1.0).sample((1000, 5))
    theirs, shapes = arviz.psislw(log_w.T.numpy().copy())
    ours, found = smoothed(log_w)
    normalised = (ours - ours.logsumexp(0)).T
    torch.testing.assert_close(normalised, torch.as_tensor(theirs), rtol=IDENTITY, atol=IDENTITY)
    torch.testing.assert_close(found, torch.as_tensor(shapes), rtol=IDENTITY, atol=IDENTITY)
    torch.testing.assert_close(k_hat(log_w)[0], found, rtol=IDENTITY, atol=IDENTITY)


def test_a_row_without_a_tail_is_left_as_it_is():
    log_w = torch.cat([torch.zeros(100, 1), torch.randn(100, 1)], 1)
    found, k = smoothed(log_w)
    assert torch.equal(found[:, 0], log_w[:, 0])
    assert k[0].isnan()
    assert not torch.equal(found[:, 1], log_w[:, 1])
    with pytest.raises(ValueError, match="at least 21 draws .* got 20"):
        smoothed(torch.randn(20, 1))
    assert fit_tail(torch.randn(21, 1)) is not None


def test_a_rare_state_above_a_common_one_is_no_tail():
    """Four draws of the rare state are too few to count as a tie; the others are all alike."""
    log_w = torch.zeros(1000, 1)
    log_w[:4] = 1.5
    assert k_hat(log_w)[0].isnan().all()


def test_weights_that_differ_by_rounding_are_equal():
    log_w = (torch.full((1000, 1), -300.0) + 1e-5 * torch.randn(1000, 1)).float()
    assert k_hat(log_w)[0].item() == -1.0


def test_ties_at_the_top_leave_k_hat_undefined():
    log_w = torch.zeros(1000, 2)
    log_w[:24, 0] = 7.0  # a state that the guide seldom draws
    log_w[:, 1] = torch.randn(1000)
    values, errors = k_hat(log_w)
    assert values.isnan().tolist() == [True, False]
    assert errors[0] == 0
    assert k_hat_share(log_w)[0].isnan().tolist() == [True, False]
    assert k_hat(torch.full((1000, 1), -7.0))[0].item() == -1


def test_the_share_of_the_largest_weight():
    log_w = torch.randn(50, 3) - 5000
    w = (log_w + 5000).exp()
    share, error = largest_weight(log_w)
    torch.testing.assert_close(share, w.max(0).values / w.sum(0), rtol=IDENTITY, atol=IDENTITY)
    assert not error.any()
    assert largest_weight(torch.zeros(50, 1))[0].item() == pytest.approx(1 / 50)
    assert WEIGHT_METRICS["largest_weight"].better == "lower"


def labels(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Categorical(logits=torch.zeros(len(x), 2)))
        pyro.sample("x", dist.Normal(4.0 * z, 0.5), obs=x)


def seldom(x):
    """A guide that gives the right label 2 % of its draws."""
    probs = pyro.param("probs", torch.tensor([0.98, 0.02]), constraint=constraints.simplex)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Categorical(probs.expand(len(x), 2)))


def test_a_guide_that_seldom_draws_the_right_label_is_not_called_good():
    fit = zoo.fit(labels, seldom, torch.full((3,), 4.0), steps=1, lr=1e-30, objective="rloo")
    found = zoo.evaluate(fit, metrics="weights")
    assert found["ess"].value < 50
    assert 0.02 < found["largest_weight"].value < 0.2
    for name in ("k_hat", "k_hat_share", "k_hat_rows"):
        assert "are of few states" in found.skipped[name]


def test_rows_without_a_k_hat_are_told():
    x = torch.tensor([4.0, 4.0, 2.0 - math.log(49) / 16])  # of the last, all weights are equal
    fit = zoo.fit(labels, seldom, x, steps=1, lr=1e-30, objective="rloo")
    found = zoo.evaluate(fit, metrics=["k_hat", "k_hat_share", "k_hat_rows"])
    assert found["k_hat"].value == -1
    for metric in found.values():
        assert "undefined on 2 rows: the largest weights are of few states" in metric.note


def test_the_threshold_is_below_extreme_values():
    assert (k_hat(300 * torch.randn(1000, 2))[0] > k_hat_threshold(1000)).all()
    assert math.isinf(k_hat(torch.randn(20, 1))[0].item())


def of_one_mean(x):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def wide(x):
    """A third too wide: log w has a smooth maximum inside of it."""
    sd = pyro.param("sd", torch.tensor(1.3 * 9**-0.5))
    pyro.sample("z", dist.Normal(x.sum() / 9, sd))


def test_alike_weights_of_a_continuous_latent_are_bounded_and_not_of_few_states():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # whose rounding makes the largest weights alike
    try:
        x = torch.linspace(2.0, 4.0, 8)
        fit = zoo.fit(of_one_mean, wide, x, steps=1, lr=1e-30, compile=False)
        found = zoo.evaluate(fit, metrics=["k_hat", "ess", "largest_weight"])
    finally:
        torch.set_default_dtype(before)
    assert found["k_hat"].value < 0
    assert found.answers.weights.answer == "yes"
