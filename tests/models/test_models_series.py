"""Models of one series or table: log densities by plain recursions, evidence by quadrature."""

import math

import numpy as np
import pytest
import torch
from cases import MODEL_CASES
from joint import log_joint
from pyro import poutine
from scipy import integrate, stats

import zoo
from zoo.data import load_data
from zoo.isolation import isolated
from zoo.models.time_series.change_point import OneChange
from zoo.models.time_series.lotka_volterra import STEPS, log_populations
from zoo.models.time_series.positive_normal import PositiveNormal
from zoo.reference import reference

IDENTITY = 1e-8
NAMES = ("autoregression", "change_point", "garch", "stochastic_volatility", "item_response",
         "log_gaussian_cox", "lotka_volterra")  # fmt: skip


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


def slopes(x, theta):
    """Of log prey and log predators."""
    return np.array([theta[0] - theta[1] * math.exp(x[1]), theta[3] * math.exp(x[0]) - theta[2]])


def lotka_volterra(z, y, steps=STEPS):
    found = stats.lognorm.logpdf(z["z_init"], 1, scale=10).sum()
    found += stats.lognorm.logpdf(z["sigma"], 1, scale=math.exp(-1)).sum()
    for loc, scale, rates in ((1, 0.5, z["theta"][::2]), (0.05, 0.05, z["theta"][1::2])):
        found += stats.truncnorm.logpdf(rates, -loc / scale, np.inf, loc, scale).sum()
    x, h = np.log(z["z_init"]), 1 / steps
    for year in y:
        found += stats.lognorm.logpdf(year, z["sigma"], scale=np.exp(x)).sum()
        for _ in range(steps):
            one = slopes(x, z["theta"])
            two = slopes(x + h / 2 * one, z["theta"])
            three = slopes(x + h / 2 * two, z["theta"])
            four = slopes(x + h * three, z["theta"])
            x = x + h / 6 * (one + 2 * two + 2 * three + four)
    return found


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


def solved(theta, first, years):
    """Log numbers of each year by an adaptive solver, shape (years, 2)."""
    times = np.arange(years)
    found = integrate.solve_ivp(
        lambda t, x: slopes(x, theta), (0, years - 1), np.log(first), "DOP853", times,
        rtol=1e-11, atol=1e-11,
    )  # fmt: skip
    return found.y.T


STAN = {  # means of `hudson_lynx_hare-lotka_volterra` in posteriordb, with standard errors
    "theta": ((0.546864500, 0.0277472878, 0.800095360, 0.0240859153),
              (0.000626269, 4.116043e-05, 0.000884603, 3.500477e-05)),
    "z_init": ((34.0352225, 5.93589713), (0.0293082762, 0.00533872103)),
    "sigma": ((0.248056863, 0.251016915), (0.000439338, 0.000439526)),
}  # fmt: skip


@pytest.fixture(scope="module")
def hares():
    """Draws of hares' and lynxes' posterior (draws, 8), from Student's t, with their weights.

    The t has the mean and covariance of the draws before, in logarithms; it begins near Stan's
    means, with standard deviations of 0.2, wider than the posterior's.
    """
    model, (y,) = zoo.load("lotka_volterra").build(), load_data("hudson_bay").train
    rng, loc = np.random.default_rng(0), np.log(np.concatenate([m for m, _ in STAN.values()]))
    spread = 0.04 * np.eye(8)
    for count in (2_000, 4_000, 10_000):
        proposal = stats.multivariate_t(loc, spread, df=8)
        u = torch.tensor(proposal.rvs(count, rng))
        parts = dict(zip(STAN, u.exp().split([4, 2, 2], -1), strict=True))
        with torch.no_grad():
            target = log_joint(model, parts, y.double()) + u.sum(-1)
        weights = (target - torch.tensor(proposal.logpdf(u.numpy()))).softmax(0)
        loc = (weights @ u).numpy()
        spread = torch.cov(u.mT, aweights=weights).numpy()
    return parts, weights


def test_lotka_and_volterra_have_the_posterior_of_posteriordb(hares):
    """Means by importance sampling, within the errors of both."""
    draws, weights = hares
    assert 1 / weights.square().sum() > 0.5 * len(weights)
    for name, (means, errors) in STAN.items():
        found = weights @ draws[name]
        own = (weights.square() @ (draws[name] - found).square()).sqrt()
        error = (own.square() + torch.tensor(errors).double().square()).sqrt()
        assert ((found - torch.tensor(means)).abs() < 5 * error).all()


def test_the_reference_of_lotka_and_volterra_is_the_posterior_of_posteriordb():
    found = reference(zoo.load("lotka_volterra"))
    for name, (means, errors) in STAN.items():
        error = (found.mcse_mean[name].square() + torch.tensor(errors).double().square()).sqrt()
        assert ((found.mean[name] - torch.tensor(means)).abs() < 5 * error).all()


def test_the_steps_of_lotka_and_volterra_are_short_enough(hares):
    """At draws of the posterior the solver's error changes log p(y | z) by less than 0.02 nats."""
    (draws, weights), (y,) = hares, load_data("hudson_bay").train
    chosen = torch.multinomial(weights, 20)
    theta, first, sigma = (draws[name][chosen] for name in STAN)
    found = log_populations(theta, first.log(), len(y))
    pairs = zip(theta.numpy(), first.numpy(), strict=True)
    exact = torch.tensor(np.stack([solved(*pair, len(y)) for pair in pairs]))
    assert (found - exact).abs().max() < 1e-3
    near, right = (
        torch.distributions.LogNormal(loc, sigma[:, None]).log_prob(y.double()).sum((1, 2))
        for loc in (found, exact)
    )
    assert (near - right).abs().max() < 0.02


def test_the_normal_above_zero_is_scipys():
    """Shares of its draws below the quartiles, and its density."""
    loc, scale = torch.tensor([1.0, 0.05, -2.0]), torch.tensor([0.5, 0.05, 1.0])
    count, prior = 50_000, PositiveNormal(loc, scale)
    draws = prior.sample((count,))
    exact = stats.truncnorm(-(loc / scale).numpy(), np.inf, loc.numpy(), scale.numpy())
    for level in (0.25, 0.5, 0.75):
        share = (draws < torch.tensor(exact.ppf(level))).double().mean(0)
        assert ((share - level).abs() < 5 * (level * (1 - level) / count) ** 0.5).all()
    assert (draws > 0).all()
    value = torch.tensor([0.3, 0.02, 4.0])
    np.testing.assert_allclose(prior.log_prob(value), exact.logpdf(value), rtol=IDENTITY)
