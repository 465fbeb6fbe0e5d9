"""The chi upper bound of log p(x) from weights: against closed forms, and beside the ELBO."""

import torch
from cases import ERRORS, conjugate_evidence, conjugate_rows

import zoo
from guides import PerDatum
from zoo.metrics import WEIGHT_METRICS
from zoo.metrics.bounds import chi_upper_bound, elbo, log_evidence

X = torch.tensor([0.7, -1.3, 2.0], dtype=torch.float64)


def test_of_normal_log_weights():
    """log w ~ N(m, s^2): the ELBO is m, log p(x) is m + s^2 / 2, and CUBO_2 is m + s^2."""
    m, s = torch.tensor([-700.0, 2.0]), torch.tensor([0.2, 0.4])
    log_w = m + s * torch.randn(20_000, 2)
    for compute, exact in ((elbo, m), (log_evidence, m + s**2 / 2), (chi_upper_bound, m + s**2)):
        value, error = compute(log_w)
        assert ((value - exact).abs() < ERRORS * error).all()
        assert (error < s**2 / 4).all()


def test_its_error_is_the_spread_of_its_estimates():
    log_w = 0.4 * torch.randn(2000, 300)
    values, errors = chi_upper_bound(log_w)
    spread, error = float(values.std()), float(values.std()) / (2 * len(values)) ** 0.5
    assert spread - ERRORS * error < errors.mean() < 2 * spread  # conservative, as it says
    metric = WEIGHT_METRICS["cubo"].summarise(values, errors, rowwise=True, note="")
    assert abs(metric.value - 0.4**2) < ERRORS * metric.se


def fitted():
    """A guide that is a little too wide for the posterior of every row."""
    fit = zoo.fit(conjugate_rows, PerDatum, X, steps=1, lr=1e-30, compile=False)
    with torch.no_grad():
        fit.guide.loc[0].copy_(X / 2 + 0.1)
        fit.guide.unconstrained_scale[0].copy_(torch.full_like(X, 0.9).expm1().log())
    return fit


def test_evidence_is_held_from_both_sides():
    found = zoo.evaluate(fitted(), metrics=["elbo", "cubo"], draws=4000)
    exact, low, high = float(conjugate_evidence(X).mean()), found["elbo"], found["cubo"]
    assert low.value + ERRORS * low.se < exact < high.value - ERRORS * high.se
    assert (high.unit, high.better) == ("nats/row", "lower")
    assert "error not to be trusted" not in high.note


def test_it_is_computed_when_it_is_asked_for():
    assert "cubo" not in zoo.evaluate(fitted(), draws=200)


def test_its_error_is_not_trusted_where_squared_weights_have_no_variance():
    """A guide narrower than the posterior: k-hat of w is below its limit and above half of it."""
    fit = fitted()
    with torch.no_grad():
        fit.guide.loc[0].copy_(X / 2)
        fit.guide.unconstrained_scale[0].copy_(torch.full_like(X, 0.53).expm1().log())
    found = zoo.evaluate(fit, metrics=["cubo", "log_evidence", "k_hat"], draws=20_000)
    assert 0.25 < found["k_hat"].value < 0.7
    assert "error not to be trusted" in found["cubo"].note
