"""Top-down, ladder and bottom-up guides: their densities, and what they share and refuse."""

import math
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, built, relative_error, scatter, step_of
from joint import close
from model_case import pixels
from pyro import poutine
from steps import a_capture, equal_on_fresh_inputs
from torch import nn

from guides import AmortisedNormal, BottomUp, SharedEncoder, TopDown, guide_named
from guides.parts.plates import positive
from guides.top_down import shifted, weighed
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.likelihoods import BernoulliLikelihood
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.models.vaes.hvae import HierarchicalVAE
from zoo.objectives import IWAE, DoublyReparameterised, StickingTheLanding, Trace, as_objective
from zoo.pairing.mismatch import PairingError
from zoo.priors import StandardNormal, VampPrior
from zoo.traces import weigh

ROWS = 5


def hierarchy(groups=(2, 3), *, vamp=False):
    prior = VampPrior(groups[0], 6, 4, (5,)) if vamp else StandardNormal(groups[0])
    return HierarchicalVAE(6, prior, BernoulliLikelihood(), groups, width=8)


def moments(outputs):
    loc, unscaled = outputs.chunk(2, -1)
    return loc, positive(unscaled)


def by_hand(guide, model, x, values, combine):
    """log q from the formula in the docstring, two groups."""
    if guide.top is None:
        d1 = guide.up[0](x)
        top = model.prior.recognise(x)
    else:
        d1 = torch.relu(guide.up[0][0](x))
        d2 = d1 + guide.up[1](d1)
        top = moments(guide.top(d2))
    h = torch.relu(model.entrance[0](values["z_2"]))
    seen = d1.expand(*h.shape[:-1], -1)
    row_loc, row_scale = moments(guide.heads[0](torch.cat([h, seen], -1)))
    loc, scale = model.group(0, h)
    if combine == "residual":
        q = loc + scale * row_loc, scale * row_scale
    else:
        a, b = scale**-2, row_scale**-2
        q = (a * loc + b * row_loc) / (a + b), (1 / (a + b)).sqrt()
    upper = dist.Normal(*top).log_prob(values["z_2"]).sum(-1)
    return upper + dist.Normal(*q).log_prob(values["z_1"]).sum(-1)


@pytest.mark.parametrize("particles", [1, 4])
@pytest.mark.parametrize("vamp", [False, True])
@pytest.mark.parametrize(("name", "combine"), [("top_down", "residual"), ("ladder", "precision")])
def test_log_q_is_the_sum_of_the_conditionals(name, combine, vamp, particles):
    (x,) = pixels(ROWS)
    with built(hierarchy(vamp=vamp), guide_named(name), Trace(), (x,)) as program:
        scatter(program, spread=0.5)
        (traces,) = program.pair.draw(particles, (x,), {})
        values = {n: traces.guide.nodes[n]["value"] for n in ("z_2", "z_1")}
        expected = by_hand(program.guide, program.model, x, values, combine)
        found = weigh([traces], program.latents, rowwise=True).log_q
    close(found, expected.reshape(particles, ROWS))


def test_precision_weighting_is_the_product_of_the_two_normals():
    """Also on a grid: the product, normalised, has the same density everywhere."""
    loc, scale = torch.randn(2, 6), torch.rand(2, 6) + 0.3
    q = dist.Normal(*weighed((loc[0], scale[0]), (loc[1], scale[1])))
    grid = torch.linspace(-12, 12, 20001)[:, None]
    log_product = dist.Normal(loc, scale).log_prob(grid[:, None]).sum(1)
    log_constant = log_product.logsumexp(0) + (grid[1, 0] - grid[0, 0]).log()
    close(q.log_prob(grid), log_product - log_constant)


def test_residual_of_nothing_is_the_prior():
    prior = torch.randn(4), torch.rand(4) + 0.1
    for found, expected in zip(
        shifted(prior, (torch.zeros(4), torch.ones(4))), prior, strict=True
    ):
        close(found, expected)


@pytest.mark.parametrize("groups", [(2,), (2, 3), (2, 1, 3)])
def test_with_a_vamp_prior_the_top_group_is_the_priors_own(groups):
    (x,) = pixels(ROWS)
    with built(hierarchy(groups, vamp=True), TopDown, Trace(), (x,)) as program:
        guide, model = program.guide, program.model
        q = poutine.trace(guide).get_trace(x).nodes[model.names[0]]["fn"]
        loc, scale = model.prior.recognise(x)
        names = {name for name, _ in guide.named_parameters()}
        _, grads = step_of(program, (x,))
    close(q.base_dist.loc, loc)
    close(q.base_dist.scale, scale)
    assert not any(name.startswith("top") for name in names)
    assert bool(names) == (len(groups) > 1)
    assert all(grad.abs().max() > 0 for grad in grads.values())
    assert len(grads) == len(list(program.parameters()))


def test_one_group_with_a_vamp_prior_is_the_shared_encoder():
    (x,) = pixels(ROWS)
    found = []
    for family in (TopDown, SharedEncoder):
        with isolated(seed=1):
            model = hierarchy((2,), vamp=True)
        with built(model, family, Trace(2), (x,)) as program:
            found.append(step_of(program, (x,)))
    (one, ours), (two, theirs) = found
    close(one, two)
    assert ours.keys() == theirs.keys()
    assert all(relative_error(ours[name], theirs[name]) < IDENTITY for name in ours)


def test_parameters_of_the_path_appear_once():
    with built(hierarchy(), TopDown, Trace(), pixels(ROWS)) as program:
        names = [name for name, _ in program.named_parameters(remove_duplicate=False)]
        assert program.guide.path is program.model
    assert len(names) == len(set(names))
    assert not any("entrance" in name or "cells" in name for name in names if "guide" in name)


@pytest.mark.thin(2)
@pytest.mark.parametrize(
    ("objective", "reference"),
    [(StickingTheLanding(2), Trace(2)), (DoublyReparameterised(3), IWAE(3))],
    ids=str,
)
def test_path_estimators_count_the_shared_networks_as_q(objective, reference):
    """The mean gradient is the plain one's: what the two share is held constant with the rest."""
    (x,), model, parts = pixels(2), hierarchy((1, 2)), []
    for each in (objective, reference):
        with built(model, TopDown, each, (x,)) as program:
            scatter(program, spread=0.3)
            grads = [step_of(program, (x,), seed=seed)[1] for seed in range(100)]
            parts.append(
                torch.stack([torch.cat([g.reshape(-1) for g in one.values()]) for one in grads])
            )
    found, plain = parts
    spread = (found.var(0) + plain.var(0)).div(len(found)).sqrt()
    z = (found.mean(0) - plain.mean(0)) / spread.clamp(min=1e-12)
    assert (spread > 0).double().mean() > 0.6  # a dead unit has no gradient
    assert z.abs().max() < ERRORS


@torch.no_grad()
def test_with_the_exact_posterior_every_weight_is_the_evidence():
    """Of a linear Gaussian chain: q(z_1 | x) = N(2x/3, 2/3), q(z_2 | z_1) = N(z_1/2, 1/2)."""
    x = torch.randn(ROWS, 1)
    with built(chain, partial(BottomUp, hidden=()), Trace(), (x,)) as program:
        for (layer,), slope, variance in zip(
            program.guide.networks, (2 / 3, 1 / 2), (2 / 3, 1 / 2), strict=True
        ):
            layer.weight.copy_(torch.tensor([[slope], [0.0]]))
            layer.bias.copy_(torch.tensor([0.0, math.log(math.expm1(variance**0.5))]))
        found = weigh(program.pair.draw(4, (x,), {}), program.latents, rowwise=True).log_w
    exact = dist.Normal(0.0, 3.0**0.5).log_prob(x[:, 0])
    close(found, exact.expand(4, ROWS))


def chain(x):
    """z_2 ~ N(0, 1), z_1 ~ N(z_2, 1), x ~ N(z_1, 1): log p(x) = log N(x; 0, 3)."""
    with pyro.plate("data", len(x)):
        z_2 = pyro.sample("z_2", dist.Normal(x.new_zeros(1), 1.0).to_event(1))
        z_1 = pyro.sample("z_1", dist.Normal(z_2, 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z_1, 1.0).to_event(1), obs=x)


def test_bottom_up_is_a_chain_from_the_data():
    (x,) = pixels(ROWS)
    with built(hierarchy((2, 3, 4)), BottomUp, Trace(), (x,)) as program:
        scatter(program.guide, spread=0.5)
        nets = program.guide.networks
        (traces,) = program.pair.draw(3, (x,), {})
        z1, z2, z3 = (traces.guide.nodes[f"z_{i}"]["value"] for i in (1, 2, 3))
        expected = dist.Normal(*moments(nets[0](x))).log_prob(z1).sum(-1)
        expected = expected + dist.Normal(*moments(nets[1](z1))).log_prob(z2).sum(-1)
        expected = expected + dist.Normal(*moments(nets[2](z2))).log_prob(z3).sum(-1)
        found = weigh([traces], program.latents, rowwise=True).log_q
    close(found, expected)
    widths = [[p.out_features for p in net if isinstance(p, nn.Linear)] for net in nets]
    assert widths == [[8, 8], [8, 6], [8, 4]]


def test_bottom_up_of_one_latent_is_amortised_normal():
    (x,) = pixels(ROWS)
    found = []
    for family in (BottomUp, AmortisedNormal):
        with isolated(seed=1):
            model = BernoulliVAE(6, (8,), 3)
        with built(model, family, Trace(2), (x,)) as program:
            loss, grads = step_of(program, (x,))
            found.append((loss, torch.cat([grad.reshape(-1) for grad in grads.values()])))
    close(found[0][0], found[1][0])
    close(found[0][1].sort().values, found[1][1].sort().values)


def test_what_is_refused():
    plain = BernoulliVAE(6, (8,), 3)
    (x,) = pixels(ROWS)
    with pytest.raises(
        PairingError, match="TopDown walks down the path .*this model has none. Us"
    ):
        built(plain, TopDown, Trace(), (x,)).__enter__()
    with pytest.raises(ValueError, match="this model has none"):
        TopDown(describe(plain, x), plain)
    with pytest.raises(ValueError, match=r"combine to be one of .*; got 'sum'"):
        built(hierarchy(), partial(TopDown, combine="sum"), Trace(), (x,)).__enter__()
    with pytest.raises(PairingError, match="BottomUp draws all latents jointly"):
        built(hierarchy(), BottomUp, as_objective("mean_field"), (x,)).__enter__()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "vamp"), [("ladder", False), ("top_down", True), ("bottom_up", False)]
)
def test_captured_equals_plain(name, vamp):
    model = hierarchy((1, 2), vamp=vamp)
    with a_capture(model, guide_named(name), pixels(3), IWAE(2)) as parts:
        assert equal_on_fresh_inputs(*parts)
