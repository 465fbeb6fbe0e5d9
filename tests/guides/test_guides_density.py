"""Densities of the guides: by change of variables, and with Pyro's AutoGuides as the oracle."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, IDENTITY, built, scatter
from pyro import poutine
from pyro.infer.autoguide import AutoDiagonalNormal, AutoMultivariateNormal, AutoNormal
from torch import nn
from torch.distributions import biject_to, constraints, multivariate_normal, normal

from guides import (
    GUIDES,
    IAF,
    AmortisedFullRank,
    AmortisedIAF,
    AmortisedNormal,
    FullRank,
    MeanField,
    PerDatum,
)
from guides.parts.cholesky import cholesky_factor
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.objectives import Trace


def global_latents(x):
    """A vector, a positive number, a point of the simplex, and numbers in a plate."""
    centre = pyro.sample("centre", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
    scale = pyro.sample("scale", dist.HalfCauchy(x.new_ones(())))
    shares = pyro.sample("shares", dist.Dirichlet(x.new_ones(3)))
    with pyro.plate("groups", 2):
        pyro.sample("offset", dist.Gamma(2.0, scale))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(centre.sum(-1) + shares[..., 0], 1.0), obs=x)


def local_latents(x):
    """A positive vector, a point of the simplex, and real numbers, for every row."""
    with pyro.plate("data", len(x)):
        rates = pyro.sample("rates", dist.LogNormal(x.new_zeros(2), 1.0).to_event(1))
        shares = pyro.sample("shares", dist.Dirichlet(x.new_ones(3)))
        places = pyro.sample("places", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
        total = rates.sum(-1) + shares[..., 0] + places.sum(-1)
        pyro.sample("x", dist.Normal(total, 1.0), obs=x)


def both_scopes(x):
    """A positive number and a simplex that all rows share, and a positive number of each row."""
    scale = pyro.sample("scale", dist.HalfCauchy(x.new_ones(())))
    shares = pyro.sample("shares", dist.Dirichlet(x.new_ones(3)))
    with pyro.plate("data", len(x)):
        rates = pyro.sample("rates", dist.Gamma(2.0, scale))
        pyro.sample("x", dist.Normal(rates + shares[..., 0], 1.0), obs=x)


def positive_latents(x):
    """Normals and positive numbers whose priors hang on each other."""
    centre = pyro.sample("centre", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
    scale = pyro.sample("scale", dist.HalfCauchy(x.new_ones(())))
    share = pyro.sample("share", dist.Beta(2.0, 1.0 + scale))
    with pyro.plate("groups", 2):
        rate = pyro.sample("rate", dist.Gamma(2.0, scale))
        offset = pyro.sample("offset", dist.Normal(centre.sum(-1, keepdim=True), rate))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal((offset.sum(-1) + share)[..., None], 1.0), obs=x)


COMPOSED = [name for name, family in GUIDES.items() if getattr(family, "parts", None)]
DENSITIES = {
    **{name: (both_scopes, GUIDES[name]) for name in COMPOSED},
    "conditioned_normal": (local_latents, GUIDES["conditioned_normal"]),
    "mean_field": (global_latents, MeanField),
    "full_rank": (global_latents, FullRank),
    "block_diagonal": (global_latents, GUIDES["block_diagonal"]),
    "structured": (global_latents, GUIDES["structured"]),
    "asvi": (positive_latents, GUIDES["asvi"]),
    "iaf": (global_latents, IAF),
    "iaf, one step": (global_latents, partial(IAF, depth=1, hidden=20)),
    **{name: (global_latents, GUIDES[name]) for name in ("planar", "realnvp", "spline", "naf")},
    "planar, two steps": (global_latents, partial(GUIDES["planar"], depth=2)),
    "per_datum": (local_latents, PerDatum),
    "amortised_normal": (local_latents, AmortisedNormal),
    "amortised_fixed_scale": (local_latents, GUIDES["amortised_fixed_scale"]),
    "amortised_full_rank": (local_latents, AmortisedFullRank),
    "amortised_iaf": (local_latents, AmortisedIAF),
    "amortised_iaf, three steps": (local_latents, partial(AmortisedIAF, depth=3, context=2)),
    "amortised_planar": (local_latents, partial(GUIDES["amortised_planar"], depth=2)),
    "amortised_householder": (local_latents, GUIDES["amortised_householder"]),
    "amortised_sylvester": (local_latents, GUIDES["amortised_sylvester"]),
    "amortised_naf": (local_latents, GUIDES["amortised_naf"]),
    "amortised_spline": (local_latents, GUIDES["amortised_spline"]),
    "per_datum_full_rank": (local_latents, GUIDES["per_datum_full_rank"]),
    **{
        name: (global_latents, GUIDES[name]) for name in ("laplace", "pathfinder", "score_matched")
    },
    "per_datum_iaf": (local_latents, GUIDES["per_datum_iaf"]),
    "product_of_experts": (local_latents, GUIDES["product_of_experts"]),
    "bottom_up": (local_latents, GUIDES["bottom_up"]),
    "bottom_up, affine": (local_latents, partial(GUIDES["bottom_up"], hidden=())),
}


def test_every_continuous_guide_has_a_density_case():
    discrete = {"amortised_discrete", "amortised_layers", "empty", "coordinate_ascent"}
    discrete |= {"relaxed", "straight_through", "gumbel_rao"}
    curved = {"amortised_power_spherical", "amortised_von_mises_fisher"}  # in tests/manifolds
    curved |= {"amortised_wrapped_normal"}
    discrete |= {"amortised_plackett_luce", "amortised_matching", "amortised_mallows"}
    discrete |= {"gumbel_sinkhorn", "sinkhorn_straight_through"}
    discrete |= {"amortised_point"}  # it has no density
    own_tests = {"top_down", "ladder", "shared", "uniform_noise"}  # the model's networks or none
    own_tests |= {"recurrent"}
    own_tests |= {"mixture"}  # in test_guides_mixture
    own_tests |= {"low_rank", "student_t"}  # in test_guides_normals: more noise than latents
    own_tests |= {"multi_pathfinder"}  # a mixture: a draw picks one of its normals
    own_tests |= {"hamiltonian", "amortised_hamiltonian"}  # more numbers than the latents have
    own_tests |= {"annealed", "diffusion", "semi_amortised"}  # the same
    own_tests |= {"semi_supervised", "amortised_recurrent"}
    assert set(GUIDES) == set(GUIDES) & set(DENSITIES) | discrete | own_tests | curved


def free_coordinates(latents, values):
    """All values as one vector, without the last coordinate of each simplex."""
    parts = []
    for site in latents.sites:
        on_simplex = site.base_support is constraints.simplex
        parts.append(values[site.name][..., :-1] if on_simplex else values[site.name])
    return torch.cat([part.reshape(-1) for part in parts])


def feed(monkeypatch, noise):
    """Makes normal distributions take their noise from the front of a vector."""
    left = [noise]

    def take(shape, dtype, device):
        size = torch.Size(shape).numel()
        taken, left[0] = left[0][:size], left[0][size:]
        assert len(taken) == size
        return taken.reshape(shape)

    for module in (normal, multivariate_normal):
        monkeypatch.setattr(module, "_standard_normal", take)
    return left


@pytest.mark.parametrize("name", DENSITIES)
def test_log_q_is_the_change_of_variables(name, monkeypatch):
    """log q(z) = log N(noise; 0, I) - log |det dz / dnoise|, with the Jacobian by autograd."""
    model, family = DENSITIES[name]
    x = torch.randn(3)
    with built(model, family, Trace(), (x,)) as program:
        scatter(program.guide, spread=0.3, seed=5)
        guide, latents = program.guide, program.latents
        noise = torch.randn(sum(site.size for site in latents.sites))

        def push(noise):
            left = feed(monkeypatch, noise)
            values = guide(x)
            assert len(left[0]) == 0
            return free_coordinates(latents, values)

        jacobian = torch.autograd.functional.jacobian(push, noise)
        feed(monkeypatch, noise)
        found = poutine.trace(guide).get_trace(x).log_prob_sum()
    expected = dist.Normal(0.0, 1.0).log_prob(noise).sum() - torch.linalg.slogdet(jacobian)[1]
    assert found.item() == pytest.approx(expected.item(), rel=AUTODIFF * 1e-4)


def unconstrained(latents, values):
    parts = [biject_to(site.support).inv(values[site.name]) for site in latents.sites]
    return torch.cat([part.reshape(-1) for part in parts])


def oracle_guide(kind, model, x):
    oracle = kind(model)
    oracle(x)
    return oracle


def log_q(guide, x, values):
    """log q of given values of all the guide's own sample sites."""
    return poutine.trace(poutine.condition(guide, data=values)).get_trace(x).log_prob_sum()


@torch.no_grad()
@pytest.mark.parametrize("kind", [AutoNormal, AutoDiagonalNormal])
def test_mean_field_equals_pyros(kind):
    x = torch.randn(3)
    with isolated(seed=0):
        guide = MeanField(describe(global_latents, x))
        scatter(guide, spread=0.5)
        oracle = oracle_guide(kind, global_latents, x)
        scales = [nn.functional.softplus(scale) for scale in guide.unconstrained_scale]
        sites = guide.latents.sites
        if kind is AutoNormal:
            for site, loc, scale in zip(sites, guide.loc, scales, strict=True):
                setattr(oracle.locs, site.name, nn.Parameter(loc.clone()))
                setattr(oracle.scales, site.name, scale)
        else:
            oracle.loc.copy_(torch.cat([loc.reshape(-1) for loc in guide.loc]))
            oracle.scale = torch.cat([scale.reshape(-1) for scale in scales])
        trace = poutine.trace(guide).get_trace(x)
        values = {site.name: trace.nodes[site.name]["value"] for site in sites}
        if kind is AutoNormal:
            own = {
                f"{site.name}_unconstrained": biject_to(site.support).inv(values[site.name])
                for site in sites
            }
        else:
            own = {"_AutoDiagonalNormal_latent": unconstrained(guide.latents, values)}
        expected = log_q(oracle, x, own)
    assert trace.log_prob_sum().item() == pytest.approx(expected.item(), rel=IDENTITY)


@torch.no_grad()
def test_full_rank_equals_pyros():
    x = torch.randn(3)
    with isolated(seed=0):
        guide = FullRank(describe(global_latents, x))
        scatter(guide, spread=0.5)
        oracle = oracle_guide(AutoMultivariateNormal, global_latents, x)
        trace = poutine.trace(guide).get_trace(x)
        factor = cholesky_factor(guide.factor, len(guide.loc))
        oracle.loc.copy_(guide.loc)
        oracle.scale = factor.diagonal().clone()
        oracle.scale_tril = factor / factor.diagonal()[:, None]
        own = {"_AutoMultivariateNormal_latent": trace.nodes["joint"]["value"]}
        expected = log_q(oracle, x, own)
        size = len(guide.loc)
    assert size == 2 + 1 + 2 + 2
    assert (factor.triu(1) == 0).all()
    assert (factor.tril(-1) != 0).sum() == size * (size - 1) / 2
    assert trace.log_prob_sum().item() == pytest.approx(expected.item(), rel=IDENTITY)
