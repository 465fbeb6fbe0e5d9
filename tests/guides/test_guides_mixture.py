"""The mixture of normals: its density, the derivative of its draws, and both modes of a target."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, ERRORS, IDENTITY, scatter
from pyro import poutine
from test_guides_density import global_latents
from test_guides_normals import X, log_det
from test_guides_targets import gap, train

import zoo
from guides import MeanField, Mixture
from zoo.distributions import MixtureOfNormals
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.objectives import Stratified, Trace

K = 3


def mixture_of(numbers, d):
    """From one vector: K logits, K d means and K d log scales."""
    logits, loc, log_scale = numbers.split([K, K * d, K * d])
    return MixtureOfNormals(logits, loc.reshape(K, d), log_scale.reshape(K, d).exp())


def some_numbers(d):
    return torch.cat([torch.randn(K), torch.randn(K * d), 0.3 * torch.randn(K * d)])


def test_density_and_moments_equal_pyros():
    q = mixture_of(some_numbers(2), 2)
    oracle = dist.MixtureOfDiagNormals(q.loc, q.scale, q.log_weights)
    z = torch.randn(5, 2)
    torch.testing.assert_close(q.log_prob(z), oracle.log_prob(z), rtol=IDENTITY, atol=IDENTITY)
    draws = q.rsample((20_000,))
    assert ((draws.mean(0) - q.mean).abs() < ERRORS * (q.variance / 20_000).sqrt()).all()
    square = (draws - q.mean).square()
    assert ((square.mean(0) - q.variance).abs() < ERRORS * square.std(0) / 20_000**0.5).all()


@pytest.mark.parametrize("d", [1, 3])
def test_draws_carry_the_density_along(d):
    """dq/dphi + div(q v) = 0 for every parameter, which defines the derivative v of a draw."""
    numbers, z = some_numbers(d), torch.randn(d)

    def flux(at):
        moved = torch.autograd.functional.jacobian(lambda n: mixture_of(n, d)._moving(at), numbers)
        return mixture_of(numbers, d).log_prob(at).exp() * moved

    change = torch.autograd.functional.jacobian(
        lambda n: mixture_of(n, d).log_prob(z).exp(), numbers
    )
    steps = 1e-5 * torch.eye(d)
    divergence = sum((flux(z + e) - flux(z - e))[i] / 2e-5 for i, e in enumerate(steps))
    torch.testing.assert_close(divergence, -change, rtol=AUTODIFF, atol=IDENTITY)


def test_the_mean_derivative_of_a_square_is_exact():
    numbers = some_numbers(2).requires_grad_()
    q = mixture_of(numbers, 2)
    exact = torch.autograd.grad((q.variance + q.mean.square()).sum(), numbers)[0]
    means = [
        torch.autograd.grad(
            mixture_of(numbers, 2).rsample((500,)).square().sum(-1).mean(), numbers
        )
        for _ in range(40)
    ]
    found = torch.stack([one for (one,) in means])
    assert ((found.mean(0) - exact).abs() < ERRORS * found.std(0) / 40**0.5).all()


@torch.no_grad()
def test_log_q_is_the_change_of_variables():
    with isolated(seed=0):
        guide = Mixture(describe(global_latents, X))
        scatter(guide, spread=0.5)
        trace = poutine.trace(guide).get_trace(X)
        parts = dist.Normal(guide.loc, torch.nn.functional.softplus(guide.unconstrained_scale))
        each = parts.log_prob(trace.nodes["joint"]["value"]).sum(-1)
        log_q = (guide.logits.log_softmax(0) + each).logsumexp(0) - log_det(guide, trace)
    assert trace.log_prob_sum().item() == pytest.approx(log_q.item(), rel=IDENTITY)


def test_one_component_is_refused():
    with pytest.raises(ValueError, match="got 1. One normal is mean_field"):
        Mixture(describe(global_latents, X), components=1)


def two_modes():
    """Weights 0.3 and 0.7, at distance 6."""
    normals = dist.Normal(torch.tensor([[-3.0, 0.0], [3.0, 1.0]]), 0.5).to_event(1)
    pyro.sample("z", dist.MixtureSameFamily(dist.Categorical(torch.tensor([0.3, 0.7])), normals))


@pytest.mark.thorough
def test_both_modes_are_found_where_a_normal_finds_one():
    """Mean-field loses log 0.7 at best; the mixture has no gap, and the right weights."""
    own = train(two_modes, partial(Mixture, components=3), objective=Stratified(4), steps=1500)
    missing, error = gap(own, 0.0)
    one, one_error = gap(train(two_modes, MeanField, objective=Trace(8), steps=800), 0.0)
    assert missing.abs() < 0.01 + ERRORS * error
    assert one > -torch.tensor(0.7).log() - ERRORS * one_error - 0.01
    weights, left = own.guide.logits.softmax(0), own.guide.loc[:, 0] < 0
    assert weights[left].sum().item() == pytest.approx(0.3, abs=0.02)


def test_it_is_trained_by_the_bound_of_single_draws_too():
    fit = zoo.fit(two_modes, Mixture, objective=Trace(4), steps=5, compile=False)
    assert fit.losses.isfinite().all()
