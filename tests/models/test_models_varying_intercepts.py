"""Varying intercepts: quadrature against another one, and what the posterior moments must be."""

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY

from zoo.models.hierarchical.varying_intercepts import VaryingIntercepts

X = torch.tensor([[0.3, 1.1, 0.2], [2.0, 1.7, 2.9], [-0.5, 0.4, 0.1], [1.2, 0.8, 1.9]]).double()
UPPER = 20.0  # of the scales: beyond it HalfNormal(2) leaves nothing


def by_gauss_legendre(nodes: int = 260):
    """Nodes of tau and sigma, and their weights times p(x, tau, sigma).

    The density is that of all measurements under their covariance matrix.
    """
    points, weights = (torch.tensor(a) for a in np.polynomial.legendre.leggauss(nodes))
    scale, weight = UPPER * (points + 1) / 2, UPPER * weights / 2
    tau, sigma = torch.cartesian_prod(scale, scale).unbind(-1)
    same = torch.block_diag(*[torch.ones(3, 3)] * 4).double()
    covariance = 25 + tau[:, None, None] ** 2 * same
    covariance = covariance + sigma[:, None, None] ** 2 * torch.eye(12).double()
    prior = dist.HalfNormal(torch.tensor(2.0).double())
    given = dist.MultivariateNormal(torch.zeros(12).double(), covariance).log_prob(X.reshape(-1))
    density = (given + prior.log_prob(tau) + prior.log_prob(sigma)).exp()
    return tau, sigma, torch.cartesian_prod(weight, weight).prod(-1) * density


def test_evidence_and_moments_equal_another_quadrature():
    model = VaryingIntercepts(3)
    tau, sigma, mass = by_gauss_legendre()
    assert model.log_evidence(X).item() == pytest.approx(mass.sum().log().item(), rel=IDENTITY)
    moments = model.posterior_moments(X)
    for name, value in (("tau", tau), ("sigma", sigma)):
        mean = (mass * value).sum() / mass.sum()
        sd = ((mass * value**2).sum() / mass.sum() - mean**2).sqrt()
        assert moments[name][0].item() == pytest.approx(mean.item(), rel=IDENTITY)
        assert moments[name][1].item() == pytest.approx(sd.item(), rel=IDENTITY)


def test_levels_are_pulled_towards_the_mean():
    """Each level lies between the mean of its group and mu, whose mean is that of the levels."""
    moments = VaryingIntercepts(3).posterior_moments(X)
    means, mu = X.mean(-1), moments["mu"][0]
    levels, spread = moments["effect"]
    assert ((levels - mu) * (means - levels) > 0).all()
    assert (spread > 0).all()


@pytest.mark.parametrize("shift", [-3.0, 2.5])
def test_a_shift_of_the_data_costs_what_the_prior_of_the_mean_says(shift):
    """With many groups of a wide prior on mu, only N(mu; 0, 5) changes."""
    model = VaryingIntercepts(4)
    x = torch.randn(2000, 4).double() * 0.5
    x -= x.mean()
    gap = model.log_evidence(x + shift) - model.log_evidence(x)
    assert gap.item() == pytest.approx(-0.5 * shift**2 / 25, rel=0.01)


def test_no_step_is_too_wide():
    """Twice as many nodes change nothing."""
    import zoo.models.hierarchical.varying_intercepts as module

    x = torch.randn(300, 4).double()
    coarse = VaryingIntercepts(4).log_evidence(x)
    before, module.NODES_PER_SD = module.NODES_PER_SD, 2 * module.NODES_PER_SD
    try:
        fine = VaryingIntercepts(4).log_evidence(x)
    finally:
        module.NODES_PER_SD = before
    assert coarse.item() == pytest.approx(fine.item(), rel=IDENTITY)


def test_one_measurement_is_refused():
    with pytest.raises(ValueError, match="at least 2 measurements"):
        VaryingIntercepts(1)
