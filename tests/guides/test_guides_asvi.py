"""ASVI: the rules for priors, its two limits, a posterior inside it, and what is refused."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, scatter
from pyro import poutine
from test_guides_density import positive_latents
from test_guides_targets import gap, train
from torch.distributions import biject_to

import zoo
from guides import ASVI, MeanField
from guides.asvi import RULES, rule_of
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.objectives import Trace

X = torch.linspace(-1.0, 1.0, 3).double()
PRIORS = [
    dist.Normal(0.3, 2.0),
    dist.LogNormal(0.3, 0.7),
    dist.HalfNormal(2.0),
    dist.HalfCauchy(3.0),
    dist.Gamma(2.0, 3.0),
    dist.Chi2(torch.tensor(3.0)),
    dist.InverseGamma(2.0, 3.0),
    dist.Exponential(3.0),
    dist.Uniform(-1.0, 4.0),
    dist.Beta(2.0, 3.0),
]


def test_every_rule_has_a_prior_here():
    assert {rule_of(type(prior)) for prior in PRIORS} == set(RULES.values())
    assert rule_of(dist.Dirichlet) is None


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: type(prior).__name__)
def test_a_rule_has_the_moments_of_the_unconstrained_value(prior):
    count = 40_000
    mean, sd = rule_of(type(prior))(prior)
    u = biject_to(prior.support).inv(prior.sample((count,)))
    assert (u.mean() - mean).abs() < ERRORS * u.std() / count**0.5
    square = (u - mean).square()
    assert (square.mean() - sd.square()).abs() < ERRORS * square.std() / count**0.5


def with_shares(guide, value):
    for share in (*guide.mean_share, *guide.sd_share):
        share.fill_(value)


@torch.no_grad()
def test_without_a_share_of_the_prior_it_is_mean_field():
    with isolated(seed=0):
        latents = describe(positive_latents, X)
        guide, plain = ASVI(latents, positive_latents), MeanField(latents)
        for one in (guide, plain):
            scatter(one, spread=0.5)
        with_shares(guide, -100.0)
        for name in ("loc", "unconstrained_scale"):
            for own, other in zip(getattr(guide, name), getattr(plain, name), strict=True):
                own.copy_(other)
        found = []
        for one in (guide, plain):
            pyro.set_rng_seed(3)
            found.append(poutine.trace(one).get_trace(X).log_prob_sum().item())
    assert found[0] == pytest.approx(found[1], rel=IDENTITY)


@torch.no_grad()
def test_with_nothing_but_the_prior_it_is_the_prior():
    """Of effects whose priors are normal, given their parents' draws."""
    model, args = MODEL_CASES["eight_schools"].make()
    with isolated(seed=0):
        guide = ASVI(describe(model, *args), model)
        with_shares(guide, 100.0)
        traces = zoo.traces.run(model, guide, args, {})
        for name in ("mu", "theta"):
            own, prior = (trace.nodes[name]["log_prob"] for trace in (traces.guide, traces.model))
            torch.testing.assert_close(own, prior, rtol=IDENTITY, atol=IDENTITY)


def chain(x):
    a = pyro.sample("a", dist.Normal(x.new_zeros(()), 1.0))
    b = pyro.sample("b", dist.Normal(a, 1.0))
    pyro.sample("x", dist.Normal(b, 1.0), obs=x)


@torch.no_grad()
def test_a_chains_posterior_lies_inside():
    """p(b | a, x) = N((a + x) / 2, 1/2): half of the prior's mean, and all weights are equal."""
    x = torch.tensor(1.7).double()
    evidence = dist.Normal(0.0, 3.0**0.5).log_prob(x)
    with isolated(seed=0):
        guide = ASVI(describe(chain, x), chain)
        with_shares(guide, -100.0)
        guide.mean_share[1].zero_()
        guide.loc[0].copy_(x / 3)
        guide.loc[1].copy_(x)
        for scale, variance in zip(guide.unconstrained_scale, (2 / 3, 1 / 2), strict=True):
            scale.copy_(torch.tensor(variance).sqrt().expm1().log())
        for _ in range(3):
            traces = zoo.traces.run(chain, guide, (x,), {})
            found = traces.model.log_prob_sum() - traces.guide.log_prob_sum()
            assert found.item() == pytest.approx(evidence.item(), rel=IDENTITY)


@pytest.mark.thorough
def test_it_closes_more_of_the_gap_on_eight_schools_than_mean_field():
    model, args = MODEL_CASES["eight_schools"].make()
    evidence, missing = model.log_evidence(*args), {}
    for family in (MeanField, ASVI):
        fitted = train(model, family, *args, objective=Trace(8), steps=1500, lr=0.03)
        missing[family], error = gap(fitted, evidence, *args)
        assert missing[family] > -ERRORS * error
    assert missing[ASVI] < missing[MeanField] / 2


def test_a_latent_that_is_left_out_is_refused():
    latents = describe(positive_latents, X).select("centre", "scale")
    with pytest.raises(ValueError, match="draws all of its latents; 'share' is not among"):
        ASVI(latents, positive_latents)(X)


def test_a_plate_drawn_in_part_is_refused():
    def parts(x):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("rows", len(x), subsample_size=2) as i:
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[i])

    with pytest.raises(zoo.PairingError, match="draws a part of plate 'rows' by itself"):
        zoo.fit(parts, ASVI, X, steps=1)
