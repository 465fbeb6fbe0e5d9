"""The ancestral normal: full-rank normals where scales are fixed, funnels where they move."""

import pyro
import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES
from pyro import poutine
from test_guides_density import global_latents, log_q
from test_guides_normals import X, scattered
from test_guides_targets import gap, train

import zoo
from guides import FullRank, MeanField, Structured
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.objectives import Trace


@torch.no_grad()
def test_a_full_rank_normal_lies_inside():
    """From the same noise the same draws, with the same density."""
    with isolated(seed=0):
        guide, whole = scattered(Structured), FullRank(describe(global_latents, X))
        size = len(guide.loc)
        factor = torch.eye(size) + torch.tril(torch.rand(size, size), -1)
        for one in (guide, whole):
            one.start_at(torch.arange(size) / 7.0, factor)
        trace = poutine.trace(guide).get_trace(X)
        u = trace.nodes["joint"]["value"]
        expected = log_q(whole, X, {"joint": u})
        again = log_q(guide, X, {"joint": u})
        found = []
        for one in (guide, whole):
            pyro.set_rng_seed(4)
            found.append(poutine.trace(one).get_trace(X).nodes["joint"]["value"])
    assert trace.log_prob_sum().item() == pytest.approx(expected.item(), rel=IDENTITY)
    assert again.item() == pytest.approx(expected.item(), rel=IDENTITY)
    torch.testing.assert_close(found[0], found[1], rtol=IDENTITY, atol=IDENTITY)


@torch.no_grad()
def test_the_map_and_its_inverse_agree():
    guide = scattered(Structured)
    transform = poutine.trace(guide).get_trace(X).nodes["joint"]["fn"].base_dist.transforms[0]
    noise = torch.randn(4, len(guide.loc))
    back = transform._inverse(transform._call(noise))
    torch.testing.assert_close(back, noise, rtol=IDENTITY, atol=IDENTITY)


@torch.no_grad()
def test_neals_funnel_lies_inside():
    """Its log scale is half of v, so that every draw has the same weight."""
    model, args = MODEL_CASES["neals_funnel"].make()
    with isolated(seed=0):
        guide = Structured(describe(model, *args))
        (scale,) = args
        guide.start_at(torch.zeros_like(scale), torch.diag(scale))
        guide.scale_weights[0].fill_(0.5 * scale[0])  # of v in units of its sd
        for _ in range(3):
            traces = zoo.traces.run(model, guide, args, {})
            found = traces.model.log_prob_sum() - traces.guide.log_prob_sum()
            assert abs(found.item()) < IDENTITY


@pytest.mark.thorough
def test_it_closes_more_of_the_gap_on_eight_schools_than_a_normal():
    model, args = MODEL_CASES["eight_schools"].make()
    evidence = model.log_evidence(*args)
    missing = {}
    for family in (MeanField, FullRank, Structured):
        fitted = train(model, family, *args, objective=Trace(8), steps=2000, lr=0.02)
        missing[family], error = gap(fitted, evidence, *args)
        assert missing[family] > -ERRORS * error
    assert missing[Structured] < missing[FullRank] < missing[MeanField]
    assert missing[Structured] < missing[MeanField] / 2
