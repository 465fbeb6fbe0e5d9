"""Gamma and Dirichlet draws out of given noise: their distribution, gradients and limits."""

import math

import pyro.distributions as dist
import pytest
import scipy.stats
import torch
from cases import ERRORS, IDENTITY, standard_error

from zoo.compile.gamma_noise import (
    GRADIENTS,
    PROPOSALS,
    GammaNoise,
    dirichlet_gradient,
    gamma_gradient,
    log_gamma_draw,
)
from zoo.compile.noise import ExplicitNoise, record

N = 20_000
FALSE_ALARM = 2 * scipy.stats.norm.sf(ERRORS)
SHAPES = [0.05, 0.5, 1.0, 3.0, 50.0]
CONCENTRATION = [0.3, 1.0, 4.0]
KINDS = [torch.float32, torch.float64]


def drawn(distribution, *shape):
    with ExplicitNoise(record([])):
        return distribution.rsample(shape)


def gamma_draws(concentration, size=N):
    """Draws, and the derivative of each by its shape."""
    each = concentration.expand(size).clone().requires_grad_()
    draws = drawn(dist.Gamma(each, 1.0))
    return draws.detach(), torch.autograd.grad(draws.sum(), each)[0]


# The distribution


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_gamma_draws_are_gamma(shape, kind):
    found = drawn(dist.Gamma(torch.tensor(shape, dtype=kind), 2.0), N)
    assert found.dtype == kind
    exact = scipy.stats.gamma(shape, scale=0.5)
    assert scipy.stats.kstest(found.double().numpy(), exact.cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize("kind", KINDS)
def test_dirichlet_draws_are_dirichlet(kind):
    concentration = torch.tensor(CONCENTRATION, dtype=kind)
    found = drawn(dist.Dirichlet(concentration), N).double()
    assert (found.sum(-1) - 1).abs().max() < 8 * torch.finfo(kind).eps
    for i, a in enumerate(CONCENTRATION):
        exact = scipy.stats.beta(a, sum(CONCENTRATION) - a)
        assert scipy.stats.kstest(found[:, i].numpy(), exact.cdf).pvalue > FALSE_ALARM
    product = found[:, 0] * found[:, 2]
    mean = 0.3 * 4.0 / (5.3 * 6.3)
    assert (product.mean() - mean).abs() < ERRORS * standard_error(product)


OTHERS = [
    (dist.Beta(0.7, 2.0), scipy.stats.beta(0.7, 2.0)),
    (dist.Beta(15.0, 12.0), scipy.stats.beta(15.0, 12.0)),
    (dist.Chi2(3.0), scipy.stats.chi2(3.0)),
    (dist.StudentT(4.0, 1.0, 2.0), scipy.stats.t(4.0, 1.0, 2.0)),
    (dist.InverseGamma(3.0, 2.0), scipy.stats.invgamma(3.0, scale=2.0)),
    (dist.FisherSnedecor(5.0, 7.0), scipy.stats.f(5.0, 7.0)),
]


@pytest.mark.parametrize(("ours", "exact"), OTHERS)
def test_what_is_built_of_them(ours, exact):
    found = drawn(ours, N)
    assert scipy.stats.kstest(found.numpy(), exact.cdf).pvalue > FALSE_ALARM


# The proposals


def test_the_first_accepted_proposal_is_taken_and_else_the_last():
    shape = torch.tensor(1.0)
    normals = torch.linspace(-1.0, 1.0, PROPOSALS)
    proposals = 2 / 3 * (1 + normals / 6**0.5) ** 3
    for accepted in (0, 4, PROPOSALS - 1):
        uniforms = torch.ones(PROPOSALS)  # accepted where 1 - u = 0 is below the ratio
        uniforms[:accepted] = 0.0  # rejected
        noise = GammaNoise(normals, uniforms, torch.tensor(0.5))
        draw = log_gamma_draw(shape, noise).exp()
        assert draw.item() == pytest.approx(proposals[accepted].item(), rel=IDENTITY)
    noise = GammaNoise(normals, torch.zeros(PROPOSALS), torch.tensor(0.5))
    draw = log_gamma_draw(shape, noise).exp()
    assert draw.item() == pytest.approx(proposals[-1].item(), rel=IDENTITY)


def test_a_proposal_is_accepted_with_probability_095_or_more():
    """The integral of the ratio of densities, in closed form; it grows to 1 with the shape."""
    shape = torch.cat([torch.linspace(1.0, 3.0, 50), torch.logspace(0.5, 4, 50)])
    d = shape - 1 / 3
    chance = (d + (1 / 6 - d) * d.log() + shape.lgamma()).exp() / (2 * math.pi) ** 0.5
    assert chance.min() > 0.95
    assert (1 - chance.min()) ** PROPOSALS < 1e-15


# Gradients


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_of_a_gamma_draw_is_torchs_at_that_draw(shape):
    draws, gradient = gamma_draws(torch.tensor(shape), 500)
    exact = torch._standard_gamma_grad(torch.tensor(shape).expand(500), draws)
    assert torch.allclose(gradient, exact, rtol=IDENTITY, atol=0.0)


@pytest.mark.parametrize("shape", [0.5, 1.0, 3.0, 50.0])
def test_the_mean_gradient_of_gamma_is_exact(shape):
    shape = torch.tensor(shape)
    draws, gradient = gamma_draws(shape)
    for found, exact in ((gradient, 1.0), (gradient / draws, torch.polygamma(1, shape))):
        assert (found.mean() - exact).abs() < ERRORS * standard_error(found)


def test_the_gradient_of_a_dirichlet_draw_is_torchs_at_that_draw():
    concentration = torch.tensor(CONCENTRATION).expand(500, 3).clone().requires_grad_()
    draws = drawn(dist.Dirichlet(concentration))
    weight = torch.randn(500, 3)
    (found,) = torch.autograd.grad((weight * draws).sum(), concentration)
    x, a = draws.detach(), concentration.detach()
    own = torch._dirichlet_grad(x, a, a.sum(-1, keepdim=True).expand_as(a))
    exact = own * (weight - (x * weight).sum(-1, keepdim=True))
    assert torch.allclose(found, exact, rtol=IDENTITY, atol=0.0)


def test_the_mean_gradient_of_dirichlet_is_exact():
    """Of the mean of each logarithm: digamma of its shape minus digamma of their sum."""
    a = torch.tensor(CONCENTRATION)
    exact = torch.polygamma(1, a).diag() - torch.polygamma(1, a.sum())
    for i in range(3):
        concentration = a.expand(N, 3).clone().requires_grad_()
        logs = drawn(dist.Dirichlet(concentration))[:, i].log()
        (found,) = torch.autograd.grad(logs.sum(), concentration)
        assert ((found.mean(0) - exact[i]).abs() < ERRORS * standard_error(found)).all()


# Limits


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [1e-4, 1e-2, 1e4, 1e6])
def test_extreme_shapes_leave_logarithms_and_gradients_finite(shape, kind):
    concentration = torch.full((200, 3), shape, dtype=kind, requires_grad=True)
    for ours in (dist.Gamma(concentration, 1.0), dist.Dirichlet(concentration)):
        draws = drawn(ours)
        (gradient,) = torch.autograd.grad(ours.log_prob(draws).sum(), concentration)
        assert draws.log().isfinite().all()
        assert (draws > 0).all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_large_shapes_keep_their_spread(kind):
    """The acceptance must not drown in rounding where the shape is large."""
    found = drawn(dist.Gamma(torch.tensor(1e5, dtype=kind), 1.0), N).double()
    squares = ((found - 1e5) ** 2) / 1e5
    assert (squares.mean() - 1).abs() < ERRORS * standard_error(squares)


def test_a_generator_of_its_own_is_refused():
    own = torch.Generator()
    with (
        ExplicitNoise(record([])),
        pytest.raises(ValueError, match="generator of its own"),
    ):
        dist.Gamma(1.0, 1.0).sample(generator=own)


# Under vmap


def test_gradients_take_a_whole_batch_at_once():
    """Torch itself warns and takes them one by one; warnings are errors here."""
    a = torch.rand(5, 3) + 0.1
    draws = torch._sample_dirichlet(a)
    total = a.sum(-1, keepdim=True).expand_as(a)
    exact = torch._standard_gamma_grad(a, draws)
    assert torch.equal(torch.vmap(gamma_gradient)(a, draws), exact)
    assert torch.equal(torch.vmap(gamma_gradient, (None, 0))(a[0], draws)[0], exact[0])
    assert torch.equal(torch.vmap(gamma_gradient, 1, 1)(a, draws), exact)
    found = torch.vmap(dirichlet_gradient)(draws, a, total)
    assert torch.equal(found, torch._dirichlet_grad(draws, a, total))
    assert set(GRADIENTS.values()) == {gamma_gradient, dirichlet_gradient}
