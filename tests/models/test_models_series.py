"""Models of one series or table: log densities by plain recursions, evidence by quadrature."""

import math

import numpy as np
import pytest
import torch
from cases import MODEL_CASES
from pyro import poutine
from scipy import integrate, stats

from zoo.isolation import isolated
from zoo.models.time_series.change_point import OneChange

IDENTITY = 1e-8
NAMES = ("autoregression", "change_point", "garch", "stochastic_volatility", "item_response",
         "log_gaussian_cox")  # fmt: skip


def drawn(name):
    """The model, its data as numpy, latents as numpy, and log p(x, z)."""
    model, args = MODEL_CASES[name].make()
    with isolated(seed=4):
        trace = poutine.trace(model).get_trace(*args)
    values = {n: trace.nodes[n]["value"].numpy() for n in MODEL_CASES[name].sites}
    return model, [arg.numpy() for arg in args], values, float(trace.log_prob_sum())


def normal(x, mean, sd):
    return stats.norm.logpdf(x, mean, sd).sum()


def half_normal(x, sd):
    return stats.halfnorm.logpdf(x, scale=sd)


def autoregression(z, y):
    found = normal(z["c"], 0, 5) + normal(z["phi"], 0, 0.5) + half_normal(z["sigma"], 2)
    for t in range(2, len(y)):
        mean = z["c"] + z["phi"][0] * y[t - 1] + z["phi"][1] * y[t - 2]
        found += normal(y[t], mean, z["sigma"])
    return found


def change_point(z, y):
    prior = sum(stats.gamma.logpdf(z[name], 2.0) for name in ("early", "late"))
    early, late = (stats.poisson.logpmf(y, z[name]) for name in ("early", "late"))
    terms = [early[:s].sum() + late[s:].sum() for s in range(1, len(y))]
    return prior + np.logaddexp.reduce(terms) - math.log(len(y) - 1)


def garch(z, y):
    found, h = normal(z["m"], 0, 1) + half_normal(z["base"], 1), 1.0
    for value in y:
        found += normal(value, z["m"], h**0.5)
        square = (value - z["m"]) ** 2
        h = z["base"] + z["persistence"] * (z["share"] * square + (1 - z["share"]) * h)
    return found


def stochastic_volatility(z, y):
    found = normal(z["mu"], 0, 2) + stats.beta.logpdf(z["phi"], 20, 1.5)
    found += half_normal(z["sigma"], 0.5) + normal(z["eta"], 0, 1)
    h = z["mu"] + z["sigma"] * z["eta"][0] / (1 - z["phi"] ** 2) ** 0.5
    found += normal(y[0], 0, math.exp(h / 2))
    for t in range(1, len(y)):
        h = z["mu"] + z["phi"] * (h - z["mu"]) + z["sigma"] * z["eta"][t]
        found += normal(y[t], 0, math.exp(h / 2))
    return found


def item_response(z, y):
    found = normal(z["ability"], 0, 1) + normal(z["difficulty"], 0, 1.5)
    found += stats.lognorm.logpdf(z["discrimination"], 0.5).sum()
    p = 1 / (1 + np.exp(-z["discrimination"] * (z["ability"][:, None] - z["difficulty"])))
    return found + stats.bernoulli.logpmf(y, p).sum()


def log_gaussian_cox(z, x, y):
    kernel = np.exp(-0.5 * (x[:, None] - x) ** 2) + 1e-5 * np.eye(len(x))
    f = z["m"] + np.linalg.cholesky(kernel) @ z["eta"]
    return normal(z["m"], 0, 2) + normal(z["eta"], 0, 1) + stats.poisson.logpmf(y, np.exp(f)).sum()


@pytest.mark.parametrize("name", NAMES)
def test_the_log_density_is_that_of_plain_numpy(name):
    _, args, values, log_joint = drawn(name)
    assert log_joint == pytest.approx(globals()[name](values, *args), rel=IDENTITY)


def test_the_autoregression_integrated_over_sigma():
    """Autoregression: given sigma, y is normal with a dense covariance."""
    model, (y,), _, _ = drawn("autoregression")
    design = np.stack([np.ones(len(y) - 2), y[1:-1], y[:-2]], 1)
    prior = np.diag([25.0, 0.25, 0.25])

    def joint(sigma):
        covariance = design @ prior @ design.T + sigma**2 * np.eye(len(design))
        likelihood = stats.multivariate_normal.pdf(y[2:], np.zeros(len(design)), covariance)
        return stats.halfnorm.pdf(sigma, scale=2) * likelihood, covariance

    def integral(of):
        return integrate.quad(of, 0, 20, points=(0.2, 1.0, 3.0), limit=200, epsrel=1e-11)[0]

    def mean(sigma):
        value, covariance = joint(sigma)
        return value * (prior @ design.T @ np.linalg.solve(covariance, y[2:]))

    evidence = integral(lambda s: joint(s)[0])
    args = (torch.tensor(y),)
    assert float(model.log_evidence(*args)) == pytest.approx(math.log(evidence), rel=1e-7)
    moments = model.posterior_moments(*args)
    sigma = integral(lambda s: s * joint(s)[0]) / evidence
    square = integral(lambda s: s**2 * joint(s)[0]) / evidence
    assert float(moments["sigma"][0]) == pytest.approx(sigma, rel=1e-6)
    assert float(moments["sigma"][1]) == pytest.approx((square - sigma**2) ** 0.5, rel=1e-5)
    means = [integral(lambda s, i=i: mean(s)[i]) / evidence for i in range(3)]
    found = [float(moments["c"][0]), *moments["phi"][0].tolist()]
    assert found == pytest.approx(means, rel=1e-6)


def test_the_change_point_by_quadrature_over_both_rates():
    """ChangePoint: the time summed, the rates on a grid."""
    model, (y,), _, _ = drawn("change_point")

    def integral(of):
        points, weights = np.polynomial.legendre.leggauss(60)
        rates = 7.5 * (points + 1)
        grid = np.array([[of(a, b) for b in rates] for a in rates])
        return 7.5**2 * weights @ grid @ weights

    def joint(early, late):
        return math.exp(change_point({"early": early, "late": late}, y))

    evidence = integral(joint)
    args = (torch.tensor(y),)
    assert float(model.log_evidence(*args)) == pytest.approx(math.log(evidence), rel=1e-4)
    moments = model.posterior_moments(*args)
    for i, name in enumerate(("early", "late")):
        mean = integral(lambda *r, i=i: r[i] * joint(*r)) / evidence
        square = integral(lambda *r, i=i: r[i] ** 2 * joint(*r)) / evidence
        assert float(moments[name][0]) == pytest.approx(mean, rel=1e-3)
        assert float(moments[name][1]) == pytest.approx((square - mean**2) ** 0.5, rel=1e-3)


def test_draws_of_one_change_have_its_mean():
    """The change is as likely before every year but the first."""
    q = OneChange(torch.tensor(4.0), torch.tensor(1.0), 5)
    draws = q.expand((2,)).sample((50_000,)).reshape(-1, 5)
    share = torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0])
    error = (draws.mean(0) - (1 + 3 * share)) / (draws.std(0) / len(draws) ** 0.5)
    assert error.abs().max() < 5
