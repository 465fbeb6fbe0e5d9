"""Priors over z: each is a density, and its draws are from it."""

import math
from functools import partial

import pytest
import torch
from cases import AUTODIFF, ERRORS, IDENTITY, scatter, standard_error
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from zoo.isolation import isolated
from zoo.priors import (
    PRIORS,
    AutoregressivePrior,
    MAFPrior,
    MixturePrior,
    RealNVPPrior,
    StandardNormal,
    VampPrior,
)
from zoo.protocols import Recognises

SMALL = {
    "standard": StandardNormal,
    "mixture": partial(MixturePrior, components=3),
    "vamp": partial(VampPrior, features=5, components=4, hidden=(6,)),
    "realnvp": partial(RealNVPPrior, depth=3, hidden=6),
    "maf": partial(MAFPrior, depth=3, hidden=6),
    "autoregressive": partial(AutoregressivePrior, components=3, hidden=6),
}
LINE = {"standard", "mixture", "vamp"}  # those that go with one dimension


def small(name, latent=2):
    """A small prior away from its start."""
    with isolated(seed=3):
        prior = SMALL[name](latent)
    scatter(prior, spread=0.4)
    return prior


def grid(low, high, count, dimensions):
    """Points of a grid, (count ** dimensions, dimensions), and the volume that each stands for."""
    points = torch.linspace(low, high, count).double()
    mesh = torch.meshgrid(*[points] * dimensions, indexing="ij")
    width = (high - low) / (count - 1)
    return torch.stack([part.reshape(-1) for part in mesh], dim=-1), width**dimensions


def test_every_prior_of_the_table_has_a_case():
    assert set(SMALL) == set(PRIORS)
    for choice in PRIORS.values():
        prior = choice.build(3, 4)
        assert (prior().event_shape, prior().batch_shape) == ((3,), ())
        assert isinstance(prior, Recognises) == choice.recognises


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dimensions", [1, 2])
def test_it_integrates_to_one(name, dimensions):
    if dimensions == 1 and name not in LINE:
        with pytest.raises(ValueError, match="at least 2.* got 1. Use the prior 'mixture'"):
            SMALL[name](1)
        return
    points, volume = grid(-15.0, 15.0, 601, dimensions)
    with torch.no_grad():
        total = small(name, dimensions)().log_prob(points).exp().sum() * volume
    assert abs(float(total) - 1) < AUTODIFF  # a network with ReLU has kinks


@pytest.mark.parametrize("name", SMALL)
def test_its_draws_agree_with_its_density(name):
    """Means of some functions of z: over draws, and by quadrature."""
    points, volume = grid(-15.0, 15.0, 601, 2)
    with torch.no_grad():
        prior = small(name)()
        weights = prior.log_prob(points).exp() * volume
        with isolated(seed=5):
            draws = prior.sample((4000,))
    for function in (lambda z: z, lambda z: z**2, lambda z: z[:, :1] * z[:, 1:], torch.sin):
        exact, found = (weights[:, None] * function(points)).sum(0), function(draws)
        assert ((found.mean(0) - exact).abs() < ERRORS * standard_error(found)).all()


@pytest.mark.parametrize("name", SMALL)
def test_it_spreads_over_plates(name):
    prior = small(name)()
    wide = prior.expand((3, 4))
    z = wide.sample()
    assert z.shape == (3, 4, 2)
    alone = torch.stack([prior.log_prob(one) for one in z.reshape(12, 2)]).reshape(3, 4)
    assert (wide.log_prob(z) - alone).abs().max() < IDENTITY
    assert wide.log_prob(z[:1]).shape == (3, 4)


@pytest.mark.parametrize("name", ["realnvp", "maf"])
def test_the_density_of_a_flow_is_a_change_of_variables(name):
    """log r(z) = log N(u; 0, I) + log |det du/dz|, the Jacobian by autograd."""
    prior = small(name, 3)()
    z = prior.sample((4,))

    def pulled(point):
        for step in reversed(prior.transforms):
            point = step.inv(point)
        return point

    for one in z:
        determinant = torch.linalg.slogdet(torch.autograd.functional.jacobian(pulled, one))[1]
        expected = Normal(0.0, 1.0).log_prob(pulled(one)).sum() + determinant
        assert (prior.log_prob(one) - expected).abs() < IDENTITY


def test_the_autoregressive_prior_reads_what_stands_before():
    """d log r(z_i | z_<i) / dz_j is 0 for j > i: by the conditionals' Jacobian."""
    prior = small("autoregressive", 4)

    def conditionals(z):
        return torch.stack(prior._conditionals(z)).sum((0, 1))

    jacobian = torch.autograd.functional.jacobian(conditionals, torch.randn(4))
    assert not jacobian.triu().any()
    assert jacobian.tril(-1)[1:, 0].all()


def test_a_mixture_is_that_of_torch():
    prior = small("mixture", 3)
    scale = torch.nn.functional.softplus(prior.unscaled) + 1e-6
    parts = Independent(Normal(prior.loc, scale), 1)
    expected = MixtureSameFamily(Categorical(logits=prior.logits), parts)
    z = torch.randn(6, 3)
    assert (prior().log_prob(z) - expected.log_prob(z)).abs().max() < IDENTITY


def test_a_vamp_prior_averages_what_it_recognises():
    prior = small("vamp", 3)
    loc, scale = prior.recognise(torch.sigmoid(prior.pseudo))
    z = torch.randn(6, 3)
    parts = Normal(loc, scale).log_prob(z.unsqueeze(1)).sum(-1)
    expected = parts.logsumexp(1) - math.log(4)
    assert (prior().log_prob(z) - expected).abs().max() < IDENTITY
    assert ((prior.pseudo_inputs > 0) & (prior.pseudo_inputs < 1)).all()


@pytest.mark.parametrize("build", [MixturePrior, partial(VampPrior, features=3)])
def test_no_components_are_refused(build):
    with pytest.raises(ValueError, match="Expected components of at least 1; got 0"):
        build(2, components=0)
