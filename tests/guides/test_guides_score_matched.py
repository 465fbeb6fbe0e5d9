"""Batch and match: against exact posteriors, its own equations, and the full-rank normal."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY

import guides
import zoo
from guides.parts.cholesky import cholesky_factor
from zoo.normals import score_matching
from zoo.normals.score_matching import update


def moments(fit):
    """Mean and covariance of a guide that is one normal."""
    factor = cholesky_factor(fit.guide.factor, len(fit.guide.loc)).detach()
    return fit.guide.loc.detach(), factor @ factor.mT


def gaussian(y):
    """Correlated, with sds 100 apart: (a, b) ~ N(0, K), y ~ N(a, 1)."""
    k = torch.tensor([[4.0, 0.036], [0.036, 4e-4]]).double()
    u = pyro.sample("u", dist.MultivariateNormal(torch.zeros(2).double(), covariance_matrix=k))
    pyro.sample("y", dist.Normal(u[..., 0], 1.0), obs=y)


def test_a_normal_posterior_is_met_exactly():
    """Given y, u has the mean K e y / 5 and the covariance K - K e e^T K / 5, e = (1, 0)."""
    fit = zoo.fit(gaussian, guides.ScoreMatched, torch.tensor(1.5).double())
    k = torch.tensor([[4.0, 0.036], [0.036, 4e-4]]).double()
    mean, covariance = moments(fit)
    torch.testing.assert_close(mean, k[0] * 1.5 / 5, rtol=1e-6, atol=0.0)
    exact = k - torch.outer(k[0], k[0]) / 5
    torch.testing.assert_close(covariance, exact, rtol=1e-6, atol=0.0)
    evidence = dist.Normal(0.0, 5**0.5).log_prob(torch.tensor(1.5))
    assert -float(fit.losses[-1]) == pytest.approx(float(evidence), abs=1e-5)
    assert (fit.stopped, fit.backend, fit.notes) == ("finished", "score_matched", [])
    assert len(fit.losses) < 30


def test_the_exact_posterior_of_linear_regression():
    task = zoo.load("linear_regression")
    fit = zoo.fit(task, guides.ScoreMatched)
    evidence = fit.model.log_evidence(*task.split("train"))
    assert -float(fit.losses[-1]) == pytest.approx(float(evidence.detach()), abs=1e-4)
    truth = fit.model.posterior(*task.split("train"))["beta"]
    assert (moments(fit)[0] - truth.mean.detach()).abs().max() < 1e-6
    assert len(fit.losses) < 30


@pytest.mark.parametrize("rate", [0.1, 3.0, 500.0])
def test_a_step_solves_its_equations(rate):
    """S U S + S = V, and the mean of it, written as in the paper."""
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    g = torch.randn(40, 3, generator=generator, dtype=torch.float64) - 2 * z
    mean, factor = update(z, g, rate)
    s, share = factor @ factor.mT, rate / (1 + rate)
    u = rate * torch.cov(g.mT, correction=0) + share * torch.outer(g.mean(0), g.mean(0))
    v = rate * torch.cov(z.mT, correction=0) + share * torch.outer(z.mean(0), z.mean(0))
    v = v + torch.eye(3).double()
    torch.testing.assert_close(s @ u @ s + s, v, rtol=IDENTITY, atol=IDENTITY * rate)
    torch.testing.assert_close(mean, share * (s @ g.mean(0) + z.mean(0)))


def test_a_step_is_the_best_normal_of_its_distance():
    """The gradient of lambda / 2 D + KL(q || q_new) by autograd is 0 at the step."""
    generator = torch.Generator().manual_seed(2)
    z = torch.randn(30, 2, generator=generator, dtype=torch.float64)
    g = torch.sin(z) - 2 * z - 0.3
    mean, factor = (x.requires_grad_() for x in update(z, g, 2.0))
    new = dist.MultivariateNormal(mean, scale_tril=factor)
    own = -torch.linalg.solve(factor @ factor.mT, (z - mean).mT).mT
    distance = ((g - own) @ factor).square().sum(1).mean()
    old = dist.MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    (2.0 / 2 * distance + torch.distributions.kl_divergence(old, new)).backward()
    assert mean.grad.abs().max() < IDENTITY
    assert factor.grad.tril().abs().max() < 1e-7


@pytest.mark.exhaustive
def test_its_elbo_is_near_that_of_full_rank_on_a_logistic_regression():
    """No normal has a higher ELBO than full_rank's, -45.41 nats; scores come within 0.1 nats."""
    fit = zoo.fit(zoo.load("logistic_regression"), guides.ScoreMatched)
    assert -45.5 < -float(fit.losses[-1]) < -45.38
    assert fit.notes == []


def test_too_few_steps_are_noted():
    y = torch.tensor([2.0, 3.0, 5.0]).double()

    def gamma_rate(y):
        rate = pyro.sample("rate", dist.Gamma(3.0, 2.0))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Poisson(rate), obs=y)

    fit = zoo.fit(gamma_rate, partial(guides.ScoreMatched, steps=1), y)
    assert "still moved by" in fit.notes[0]
    assert "after 1 steps" in fit.notes[0]


def cauchy():
    pyro.sample("z", dist.Cauchy(0.0, 1.0))


def test_a_fall_of_the_elbo_is_noted(monkeypatch):
    """With a limit that every fit is below."""
    monkeypatch.setattr(score_matching, "LOWER", -1.0)
    fit = zoo.fit(cauchy, guides.ScoreMatched)
    assert "below the" in fit.notes[0]
    assert "use pathfinder" in fit.notes[0]
