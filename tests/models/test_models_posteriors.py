"""Posteriors on data against densities by scipy, and what they must recover."""

import numpy as np
import pytest
import torch
from joint import close, log_total
from scipy import stats

from zoo.data import load_data
from zoo.models.hierarchical.radon import Radon
from zoo.models.hierarchical.seeds import Seeds
from zoo.models.regression.logistic_regression import LogisticRegression
from zoo.models.regression.sparse_logistic import SparseLogistic, shrunk


def normal(value, scale=1.0):
    return stats.norm.logpdf(value, 0.0, scale).sum()


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def agree(model, values, args, expected):
    given = {name: torch.as_tensor(value) for name, value in values.items()}
    close(log_total(model, given, *args), torch.as_tensor(expected))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_seeds_has_scipys_density(rng):
    args = load_data("seeds").train
    x1, x2, n, r = (a.numpy() for a in args)
    alpha, tau, eta = rng.normal(size=4), 7.0, rng.normal(size=21)
    logits = alpha[0] + alpha[1] * x1 + alpha[2] * x2 + alpha[3] * x1 * x2 + eta / tau**0.5
    expected = normal(alpha, 1000) + stats.gamma.logpdf(tau, 1e-3, scale=1e3) + normal(eta)
    expected += stats.binom.logpmf(r, n, sigmoid(logits)).sum()
    agree(Seeds(), {"alpha": alpha, "tau": tau, "eta": eta}, args, expected)


def test_seeds_without_effects_has_the_fit_of_four_proportions():
    """As tau grows the plates of a cell share one chance, whose best value is the proportion."""
    x1, x2, n, r = args = load_data("seeds").train
    cell = (2 * x1 + x2).long()
    share = torch.zeros(4).index_add(0, cell, r) / torch.zeros(4).index_add(0, cell, n)
    logit = share.logit()
    alpha = torch.stack(
        [
            logit[0],
            logit[2] - logit[0],
            logit[1] - logit[0],
            logit[3] - logit[2] - logit[1] + logit[0],
        ]
    ).requires_grad_()
    values = {"alpha": alpha, "tau": torch.tensor(1e20), "eta": torch.ones(21)}
    (slope,) = torch.autograd.grad(log_total(Seeds(), values, *args), alpha)
    torch.testing.assert_close(slope, -alpha.detach() / 1e6, rtol=1e-4, atol=1e-4)


def test_radon_has_scipys_density(rng):
    x, y = (a[:40] for a in load_data("radon").train)
    county, floor, uranium = x.numpy().T
    mu, spread, sigma = rng.normal(size=3), rng.gamma(2, size=2), 0.7
    eta = rng.normal(size=(85, 2))
    level = mu[0] + spread[0] * eta[county.astype(int), 0] + mu[1] * uranium
    mean = level + (mu[2] + spread[1] * eta[county.astype(int), 1]) * floor
    expected = normal(mu, 5) + stats.halfnorm.logpdf([*spread, sigma]).sum() + normal(eta)
    expected += normal(y.numpy() - mean, sigma)
    values = {"mu": mu, "spread": spread, "sigma": sigma, "eta": eta}
    agree(Radon(85), values, (x, y), expected)


def test_planted_radon_is_found_by_least_squares():
    """Coefficients common to all houses lie within 5 standard errors of those planted."""
    x, y = load_data("radon").train
    design = torch.stack([torch.ones(len(x)), x[:, 2], x[:, 1]], -1)
    found = torch.linalg.lstsq(design, y[:, None]).solution.squeeze(-1)
    residual = y - design @ found
    by_county = torch.zeros(85, 3).index_add(0, x[:, 0].long(), design * residual[:, None])
    inverse = torch.linalg.inv(design.mT @ design)
    errors = (inverse @ by_county.mT @ by_county @ inverse).diagonal().sqrt()
    planted = torch.tensor([1.46, 0.72, -0.67])
    assert ((found - planted).abs() < 5 * errors).all()


def test_the_horseshoe_has_scipys_density(rng):
    x = np.c_[np.ones(30), rng.normal(size=(30, 4))]
    y = (rng.random(30) < 0.5).astype(float)
    tau, slab, intercept = 0.4, 3.0, 0.8
    local, z = rng.gamma(2, size=4), rng.normal(size=4)
    sd = tau * local * np.sqrt(slab / (slab + tau**2 * local**2))
    expected = stats.halfcauchy.logpdf(tau, scale=0.1) + stats.invgamma.logpdf(slab, 2, scale=8)
    expected += normal(intercept, 10) + stats.halfcauchy.logpdf(local).sum() + normal(z)
    expected += stats.bernoulli.logpmf(y, sigmoid(intercept + x[:, 1:] @ (z * sd))).sum()
    values = {"tau": tau, "slab": slab, "intercept": intercept, "lambda": local, "z": z}
    agree(SparseLogistic(5), values, (torch.tensor(x), torch.tensor(y)), expected)


def test_the_slab_bounds_large_coefficients_and_leaves_small_ones():
    slab, ones = torch.tensor(4.0), torch.ones(1)
    close(shrunk(torch.tensor(1e-9), slab, ones), torch.tensor([1e-9]))
    close(shrunk(torch.tensor(1e9), slab, ones), torch.tensor([2.0]))
    assert shrunk(torch.tensor(1e200), slab, 1e100 * ones).isfinite().all()


@pytest.mark.parametrize("build", [SparseLogistic, Radon])
def test_too_few_are_refused(build):
    with pytest.raises(ValueError, match="got 0"):
        build(0)


def test_a_scale_of_zero_is_refused():
    with pytest.raises(ValueError, match="global_scale above 0; got 0.0"):
        SparseLogistic(3, 0.0)


@pytest.mark.parametrize(
    ("data", "evidence", "error"), [("ionosphere", -111.60, 0.02), ("sonar", -108.40, 0.04)]
)
def test_logistic_regression_has_the_known_evidence(data, evidence, error):
    """Importance sampling from Student's t with the mode and the curvature of the posterior."""
    x, y = load_data(data).train
    beta, curvature = mode(x, y)
    proposal = stats.multivariate_t(
        beta.numpy(), torch.linalg.inv(curvature).numpy() * 1.2, df=12, seed=1
    )
    draws = proposal.rvs(40_000)
    signed = x * (2 * y - 1)[:, None]
    drawn = torch.as_tensor(draws)
    joint = torch.nn.functional.logsigmoid(drawn @ signed.mT).sum(-1)
    joint = joint + torch.distributions.Normal(0.0, 1.0).log_prob(drawn).sum(-1)
    weights = joint - torch.as_tensor(proposal.logpdf(draws))
    found = weights.logsumexp(0) - np.log(len(draws))
    ratio = (weights - weights.max()).exp()
    own = (ratio.std() / ratio.mean() / len(ratio) ** 0.5).item()
    assert abs(found.item() - evidence) < 5 * (own**2 + error**2) ** 0.5
    values = {"beta": drawn[0]}
    close(log_total(LogisticRegression(x.shape[1]), values, x, y), joint[0])


def mode(x, y, steps=30):
    """Newton's method: the posterior's mode and the precision there."""
    beta, prior = torch.zeros(x.shape[1]), torch.eye(x.shape[1])
    for _ in range(steps):
        chance = (x @ beta).sigmoid()
        curvature = x.mT @ (x * (chance * (1 - chance))[:, None]) + prior
        beta = beta + torch.linalg.solve(curvature, x.mT @ (y - chance) - beta)
    return beta, curvature
