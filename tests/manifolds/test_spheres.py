"""Distributions on spheres: quadrature over S^1 and S^2, closed forms, and gradients of draws."""

import math

import pytest
import torch
from scipy.special import ive
from torch import tensor
from torch.autograd import grad
from torch.distributions import kl_divergence

from zoo.manifolds.power_spherical import PowerSpherical
from zoo.manifolds.sphere import SphericalUniform, angle, log_area, unit
from zoo.manifolds.von_mises_fisher import (
    PROPOSALS,
    VonMisesFisher,
    angle_slope,
    draw_angle,
    log_angles,
    resultant_length,
)

FAMILIES = (PowerSpherical, VonMisesFisher)
CONCENTRATIONS = (2.0, 8.0, 60.0)
NODES = 4000


def grid(d):
    """Points of S^1 or S^2 and their weights: trapezoids around, Gauss-Legendre in height."""
    if d == 2:
        a = torch.arange(NODES) * (2 * math.pi / NODES)
        return torch.stack([a.cos(), a.sin()], -1), torch.full((NODES,), 2 * math.pi / NODES)
    import numpy as np

    height, weight = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(200))
    a = torch.arange(200) * (2 * math.pi / 200)
    flat = (1 - height**2).sqrt()
    z = torch.stack(
        [flat[:, None] * a.cos(), flat[:, None] * a.sin(), height[:, None].expand(-1, 200)], -1
    )
    return z.reshape(-1, 3), (weight[:, None] * (2 * math.pi / 200)).expand(-1, 200).reshape(-1)


def made(family, d, k):
    return family(unit(torch.arange(1.0, d + 1)), tensor(k))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("k", CONCENTRATIONS)
def test_density_entropy_mean_and_kl_agree_with_quadrature(family, d, k):
    q, (z, weight) = made(family, d, k), grid(d)
    log_q = q.log_prob(z)
    mass = weight * log_q.exp()
    torch.testing.assert_close(mass.sum(), tensor(1.0), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close((mass[:, None] * z).sum(0), q.mean, rtol=1e-8, atol=1e-8)
    entropy = -(mass * log_q).nan_to_num().sum()
    torch.testing.assert_close(entropy, q.entropy(), rtol=1e-8, atol=1e-8)
    uniform = SphericalUniform(z, d)
    kl = kl_divergence(q, uniform)
    torch.testing.assert_close(kl, log_area(d) - entropy, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("d", [2, 3])
def test_the_uniform_density_is_one_over_the_area(d):
    z, weight = grid(d)
    uniform = SphericalUniform(z, d, torch.Size((4,)))
    torch.testing.assert_close(weight.sum().log(), tensor(log_area(d)), rtol=1e-8, atol=1e-8)
    assert uniform.log_prob(z[:4]).tolist() == [-log_area(d)] * 4
    draws = uniform.expand((3, 4)).sample((500,))
    assert draws.shape == (500, 3, 4, d)
    assert bool(uniform.support.check(draws).all())
    means = draws.flatten(0, 2).mean(0)
    assert bool((means.abs() < 5 * (1 / d / 6000) ** 0.5).all())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [2, 3, 10])
@pytest.mark.parametrize("k", CONCENTRATIONS)
def test_draws_have_the_mean_and_the_entropy_of_the_density(family, d, k):
    torch.manual_seed(0)
    q = made(family, d, k)
    z = q.sample((4000,))
    assert bool(q.support.check(z).all())
    error = (z.mean(0) - q.mean).abs()
    assert bool((error < 5 * z.std(0) / 4000**0.5).all())
    surprise = -q.log_prob(z)
    assert abs(surprise.mean() - q.entropy()) < 5 * surprise.std() / 4000**0.5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [2, 3, 10])
def test_gradients_of_draws_are_those_of_the_expectation(family, d):
    """E[w.z] = R(k) m.w has closed-form derivatives in k and in m (along the sphere)."""
    torch.manual_seed(0)
    w, k = unit(torch.randn(d)), tensor(5.0, requires_grad=True)
    start = torch.randn(d, requires_grad=True)
    exact = grad(family(unit(start), k).mean @ w, (k, start))
    each = []
    for _ in range(40):
        z = family(unit(start), k).rsample((500,))
        each.append(torch.cat([g.reshape(-1) for g in grad((z @ w).mean(), (k, start))]))
    found = torch.stack(each)
    error = (found.mean(0) - torch.cat([exact[0].reshape(1), exact[1]])).abs()
    assert bool((error < 5 * found.std(0) / 40**0.5).all())


@pytest.mark.parametrize("d", [2, 3, 4, 10, 50])
@pytest.mark.parametrize("k", [1e-3, 0.5, 10.0, 300.0, 1e4])
def test_the_normaliser_and_the_mean_are_bessel_functions(d, k):
    order = d / 2 - 1
    log_z = d / 2 * math.log(2 * math.pi) - order * math.log(k) + math.log(ive(order, k))
    found = log_angles(tensor(k), d) + log_area(d - 1)
    torch.testing.assert_close(found, tensor(log_z), rtol=1e-8, atol=1e-8)
    ratio = ive(order + 1, k) / ive(order, k)
    torch.testing.assert_close(resultant_length(tensor(k), d), tensor(ratio), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("k", [0.2, 3.0, 40.0, 900.0])
def test_the_slope_of_an_angle_on_s2_is_that_of_its_quantile(k):
    """On S^2 the quantile has a closed form: cos a = 1 + log(1 - u (1 - e^-2k)) / k."""
    u, k = torch.linspace(0.001, 0.999, 50), tensor(k, requires_grad=True).expand(50)
    cosine = 1 + torch.log1p(-u * -torch.expm1(-2 * k)) / k
    a = cosine.acos()
    (exact,) = grad(a.sum(), k)
    found = angle_slope(a.detach(), k.detach(), 3)
    torch.testing.assert_close(found, exact, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("d", [2, 5, 20, 100])
@pytest.mark.parametrize("k", [0.1, 2.0, 50.0, 2000.0])
def test_the_slope_is_the_implicit_one_in_any_dimension(d, k):
    """-(dF/dk) / p by autograd through a fine trapezoid rule of F."""
    k = tensor(k)
    torch.manual_seed(0)
    for a in draw_angle(k.expand(4), d):
        s = torch.linspace(1e-9, float(a), 200_001)
        log_p = (d - 2) * s.sin().log() - 2 * k * (s / 2).sin().square() - log_angles(k, d)
        dF = torch.trapezoid(log_p.exp() * (s.cos() - resultant_length(k, d)), s)
        exact = -dF / log_p[-1].exp()
        torch.testing.assert_close(angle_slope(a, k, d), exact, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("d", [2, 3, 4, 10, 30, 300])
def test_some_proposal_is_accepted(d):
    """Wood's acceptance rate is E of the ratio under proposals; all refuse with 1e-12 at most."""
    torch.manual_seed(0)
    for k in torch.logspace(-3, 5, 30):
        m = d - 1
        b = m / ((4 * k**2 + m**2).sqrt() + 2 * k)
        scale = (m + 2 * k + (4 * k**2 + m**2).sqrt()) / 4
        e = torch.distributions.Beta(m / 2, m / 2).sample((20_000,)).double()
        t = 2 * scale * b / (1 - (1 - b) * e)
        rate = (m * t.log() - t + 4 * scale * b / (1 + b) - m * math.log(m)).exp()
        assert bool((rate <= 1 + 1e-9).all())
        low = rate.mean() - 5 * rate.std() / 20_000**0.5
        assert (1 - low) ** PROPOSALS < 1e-12


def test_shapes_and_what_is_refused():
    q = PowerSpherical(unit(torch.randn(4, 1, 3)), torch.ones(5))
    assert (q.batch_shape, q.event_shape) == ((4, 5), (3,))
    assert q.expand((2, 4, 5)).rsample((7,)).shape == (7, 2, 4, 5, 3)
    assert VonMisesFisher(q.loc, q.concentration).expand((2, 4, 5)).rsample().shape == (2, 4, 5, 3)
    for family in FAMILIES:
        with pytest.raises(ValueError, match="loc"):
            family(torch.ones(3), tensor(1.0), validate_args=True)
        with pytest.raises(ValueError, match="support"):
            family(unit(torch.ones(3)), tensor(1.0), validate_args=True).log_prob(torch.ones(3))


@pytest.mark.parametrize("family", FAMILIES)
def test_single_precision_is_finite_where_concentrations_are_extreme(family):
    torch.manual_seed(0)
    k = torch.logspace(-6, 5, 40, dtype=torch.float32).requires_grad_()
    loc = unit(torch.randn(40, 5)).float().requires_grad_()
    z = family(loc, k).rsample((50,))
    log_q = family(loc, k).log_prob(z)
    slopes = grad(z.sum() + log_q.sum(), (loc, k))
    assert bool(log_q.isfinite().all())
    assert all(bool(slope.isfinite().all()) for slope in slopes)
    assert bool(SphericalUniform.support.check(z.detach()).all())


def test_angles():
    u = unit(torch.randn(10, 4))
    torch.testing.assert_close(angle(u, -u), torch.full((10,), math.pi))
    assert angle(u, u).tolist() == [0.0] * 10
