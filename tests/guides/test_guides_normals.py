"""Normals and Student's t over global latents: densities, special cases, targets in the family."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, scatter
from pyro import poutine
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoLowRankMultivariateNormal
from scipy.stats import multivariate_t
from test_guides_density import global_latents, log_q, oracle_guide, unconstrained
from test_guides_targets import Linear, Y, gap, train
from torch.distributions import biject_to

from guides import BlockDiagonal, FullRank, LowRank, StudentT
from guides.parts.cholesky import cholesky_factor
from guides.parts.plates import positive
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.objectives import Trace

X = torch.linspace(-1.0, 1.0, 3).double()


def scattered(family, spread=0.5):
    guide = family(describe(global_latents, X))
    scatter(guide, spread=spread)
    return guide


def log_det(guide, trace):
    """Log |dz/du| of a draw."""
    total, at = torch.zeros(()), 0
    for site in guide.latents.sites:
        transform = biject_to(site.support)
        u = trace.nodes["joint"]["value"][at : at + site.size]
        u = u.reshape(site.batch_shape + site.unconstrained_shape)
        total = total + transform.log_abs_det_jacobian(u, transform(u)).sum()
        at += site.size
    return total


@torch.no_grad()
def test_low_rank_equals_pyros():
    """The same log q and, from the same noise, the same ELBO."""
    with isolated(seed=0):
        guide = scattered(partial(LowRank, rank=3))
        oracle = oracle_guide(partial(AutoLowRankMultivariateNormal, rank=3), global_latents, X)
        oracle.loc.copy_(guide.loc)
        oracle.scale = positive(guide.unconstrained_scale)
        oracle.cov_factor.copy_(guide.factor)
        trace = poutine.trace(guide).get_trace(X)
        own = {"_AutoLowRankMultivariateNormal_latent": trace.nodes["joint"]["value"]}
        expected = log_q(oracle, X, own)
        bounds = []
        for one in (guide, oracle):
            pyro.set_rng_seed(4)
            bounds.append(Trace_ELBO(3).loss(global_latents, one, X))
    assert trace.log_prob_sum().item() == pytest.approx(expected.item(), rel=IDENTITY)
    assert bounds[0] == pytest.approx(bounds[1], rel=IDENTITY)


@torch.no_grad()
def test_block_diagonal_is_a_full_rank_normal_without_covariances_between_latents():
    with isolated(seed=0):
        guide, whole = scattered(BlockDiagonal), FullRank(describe(global_latents, X))
        sizes = [site.size for site in guide.latents.sites]
        parts = zip(guide.factors, sizes, strict=True)
        factor = torch.block_diag(*(cholesky_factor(numbers, size) for numbers, size in parts))
        whole.start_at(guide.loc, factor)
        trace = poutine.trace(guide).get_trace(X)
        expected = log_q(whole, X, {"joint": trace.nodes["joint"]["value"]})
        pyro.set_rng_seed(4)
        first = unconstrained(guide.latents, guide(X))
        pyro.set_rng_seed(4)
        second = unconstrained(guide.latents, whole(X))
    assert sizes == [2, 1, 2, 2]
    assert trace.log_prob_sum().item() == pytest.approx(expected.item(), rel=IDENTITY)
    torch.testing.assert_close(first, second, rtol=IDENTITY, atol=IDENTITY)


@torch.no_grad()
@pytest.mark.parametrize("df", [None, 3.5])
def test_student_t_equals_scipys(df):
    with isolated(seed=0):
        guide = scattered(partial(StudentT, df=df))
        trace = poutine.trace(guide).get_trace(X)
        factor = cholesky_factor(guide.factor, len(guide.loc))
        oracle = multivariate_t(guide.loc, factor @ factor.mT, df=guide.df.item())
        expected = oracle.logpdf(trace.nodes["joint"]["value"]) - log_det(guide, trace).item()
    assert (guide.df.item() == pytest.approx(3.5)) == (df is not None)
    assert trace.log_prob_sum().item() == pytest.approx(expected, rel=IDENTITY)


@torch.no_grad()
@pytest.mark.parametrize("family", [LowRank, partial(LowRank, rank=7), BlockDiagonal, StudentT])
def test_a_start_takes_the_moments_that_the_family_can_hold(family):
    guide = scattered(family)
    size = len(guide.loc)
    factor = torch.eye(size) + torch.tril(torch.rand(size, size), -1)
    mean, covariance = torch.randn(size), factor @ factor.mT
    guide.start_at(mean, factor)
    q = poutine.trace(guide).get_trace(X).nodes["joint"]["fn"]
    if isinstance(guide, BlockDiagonal):
        draws = [through(q, e) - mean for e in torch.eye(size)]
        for block in torch.split(torch.arange(size), guide.sizes):
            found = torch.stack(draws).T[block] @ torch.stack(draws)[:, block]
            wanted = covariance[block][:, block] + outer(q, mean)[block][:, block]
            torch.testing.assert_close(found, wanted, rtol=IDENTITY, atol=IDENTITY)
        return
    own, units = q.base_dist, guide.units
    found = units.sd[:, None] * own.covariance_matrix * units.sd
    if isinstance(guide, StudentT):
        found = found * own.df / (own.df - 2)
    torch.testing.assert_close(units.mean + units.sd * own.loc, mean, rtol=0, atol=0)
    torch.testing.assert_close(found.diagonal(), covariance.diagonal(), rtol=0.02, atol=0)
    if isinstance(guide, StudentT):
        torch.testing.assert_close(found, covariance, rtol=IDENTITY, atol=IDENTITY)


def through(q, noise):
    """Where noise ends after the family's own map and its units."""
    for transform in (*q.base_dist.transforms, *q.transforms):
        noise = transform._call(noise)
    return noise


def outer(q, mean):
    """What the origin's image adds; 0, as the map of 0 is the mean."""
    at = through(q, torch.zeros_like(mean)) - mean
    return at[:, None] * at


@pytest.mark.parametrize(
    ("family", "sentence"),
    [
        (partial(LowRank, rank=8), "Expected rank to be a whole number from 1 to 7; got 8"),
        (partial(LowRank, rank=0), "got 0"),
        (partial(StudentT, df=2.0), "Expected df to be a finite number above 2"),
    ],
)
def test_settings_that_are_refused(family, sentence):
    with pytest.raises(ValueError, match=sentence):
        family(describe(global_latents, X))


def test_the_default_rank_is_the_root_of_the_number_of_values():
    for name, size, rank in (("eight_schools", 10, 3), ("neals_funnel", 3, 1), ("banana", 2, 1)):
        model, args = MODEL_CASES[name].make()
        assert LowRank(describe(model, *args)).factor.shape == (size, rank)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "family", [partial(LowRank, rank=2), BlockDiagonal, partial(StudentT, df=1e6)]
)
def test_a_gaussian_posterior_lies_inside(family):
    model = Linear(orthogonal=False)
    fitted = train(model, family, Y, objective=Trace(8), steps=1200)
    missing, error = gap(fitted, model.log_evidence(Y), Y)
    assert missing.abs() < ERRORS * error
    assert error < 5e-3


def heavy():
    """A posterior with tails of 3 degrees of freedom: nothing is observed but a constant."""
    factor = torch.tensor([[1.0, 0.0], [0.8, 0.5]])
    pyro.sample("z", dist.MultivariateStudentT(torch.tensor(3.0), torch.zeros(2), factor))


@pytest.mark.thorough
def test_heavy_tails_are_held_where_a_normal_misses_them():
    missing, error = gap(train(heavy, StudentT, objective=Trace(32), steps=1500), 0.0)
    normal, normal_error = gap(train(heavy, FullRank, objective=Trace(32), steps=1500), 0.0)
    assert missing < 0.01 + ERRORS * error
    assert normal - missing > 0.05 - ERRORS * normal_error
