"""The hyperboloid and the wrapped normal: quadrature over H^2, closed forms, isometries."""

import math

import torch
from torch import tensor
from torch.autograd import grad

from zoo.manifolds.hyperboloid import from_chart, hyperboloid, inner
from zoo.manifolds.lorentz_normal import (
    boost,
    distance,
    exp_origin,
    log_origin,
    origin,
    unboost,
    wrapped_normal,
)


def test_the_density_integrates_to_one_over_the_plane():
    """In polar coordinates about the origin the volume of H^2 is sinh r dr da."""
    q = wrapped_normal(exp_origin(tensor([0.6, -0.9])), tensor([0.5, 0.8]))
    r, a = torch.linspace(1e-6, 8.0, 1201), torch.arange(200) * (2 * math.pi / 200)
    v = r[:, None, None] * torch.stack([a.cos(), a.sin()], -1)
    density = q.log_prob(exp_origin(v)).exp().mean(1) * 2 * math.pi
    mass = torch.trapezoid(density * r.sinh(), r)
    torch.testing.assert_close(mass, tensor(1.0), rtol=1e-6, atol=1e-6)


def test_the_chart_volume_is_that_of_the_density():
    """Change of variables to (z_1, ..., z_n): log q + log of 1 / z_0 is the chart's density."""
    n, v = 3, torch.randn(5, 3)
    q = wrapped_normal(exp_origin(tensor([0.3, 1.0, -0.4])), tensor([0.5, 0.8, 1.3]))
    wrap = q.transforms[0]
    z = wrap(v)
    for one, point in zip(v, z, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x: wrap(x)[1:], one)
        expected = q.base_dist.log_prob(one) - jacobian.det().abs().log()
        torch.testing.assert_close(q.log_prob(point) - point[0].log(), expected)
    assert z.shape == (5, n + 1)


def test_draws_lie_on_the_hyperboloid_and_their_gradients_are_exact():
    torch.manual_seed(0)
    loc, scale = tensor([0.5, 1.0], requires_grad=True), tensor([0.4, 0.7], requires_grad=True)
    q = wrapped_normal(exp_origin(loc), scale)
    assert (q.batch_shape, q.event_shape) == ((), (3,))
    z = q.rsample((7, 5))
    assert z.shape == (7, 5, 3)
    assert bool(hyperboloid.check(z.detach()).all())
    assert bool(q.support.check(z.detach()).all())
    assert wrapped_normal(exp_origin(loc).expand(4, 3), scale.expand(4, 2)).batch_shape == (4,)
    # E[z_0] in closed form for one scale: E cosh|v| m_0, which grows with m_0 = cosh|loc|
    draws = wrapped_normal(exp_origin(loc), scale).rsample((40, 500))
    fresh = [grad(part[:, 0].mean(), (loc, scale), retain_graph=True) for part in draws]
    found = torch.stack([torch.cat(one) for one in fresh])
    exact = torch.cat(grad(_mean_of_first(loc, scale), (loc, scale)))
    assert bool(((found.mean(0) - exact).abs() < 5 * found.std(0) / 40**0.5).all())


def _mean_of_first(loc, scale):
    """E[z_0] by Gauss-Hermite quadrature: m_0 E cosh|v|, as E of the odd part is 0."""
    import numpy as np

    x, w = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(60))
    w = w / w.sum()
    r = ((scale[0] * x[:, None]) ** 2 + (scale[1] * x) ** 2).sqrt()
    return exp_origin(loc)[0] * (w[:, None] * w * r.cosh()).sum()


def test_the_prior_at_the_origin_is_a_normal_of_the_tangent_in_its_volume():
    v = torch.randn(20, 2)
    q = wrapped_normal(origin(2, v), torch.ones(2))
    r = v.norm(dim=-1)
    expected = -math.log(2 * math.pi) - r**2 / 2 - (r.sinh() / r).log()
    torch.testing.assert_close(q.log_prob(exp_origin(v)), expected, rtol=1e-8, atol=1e-8)
    at_origin = q.log_prob(origin(2, v))
    torch.testing.assert_close(at_origin, tensor(-math.log(2 * math.pi)), rtol=1e-8, atol=1e-8)
    start = torch.zeros(2, requires_grad=True)
    (slope,) = grad(q.log_prob(exp_origin(start)), start)
    assert slope.tolist() == [0.0, 0.0]


def test_a_boost_is_an_isometry_that_takes_the_origin_to_its_place():
    a, b, loc = (exp_origin(torch.randn(10, 3)) for _ in range(3))
    torch.testing.assert_close(boost(loc, origin(3, loc).expand(10, 4)), loc)
    torch.testing.assert_close(unboost(loc, boost(loc, a)), a, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(inner(boost(loc, a), boost(loc, b)), inner(a, b))
    exact = torch.acosh(-inner(a, b))
    torch.testing.assert_close(distance(a, b), exact, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(distance(b, a), exact, rtol=1e-7, atol=1e-8)


def test_exponential_and_logarithm_at_the_origin():
    v = torch.randn(20, 3)
    torch.testing.assert_close(log_origin(exp_origin(v)), v, rtol=1e-8, atol=1e-8)
    length = distance(origin(3, v).expand(20, 4), exp_origin(v))
    torch.testing.assert_close(length, v.norm(dim=-1), rtol=1e-8, atol=1e-8)


def test_transport_along_the_geodesic_is_that_of_the_paper():
    """exp_m(PT(v)) by the formulas of Nagano et al. (2019), eqs. 2 to 5."""
    v, m = torch.randn(20, 3), exp_origin(torch.randn(20, 3))
    o, tangent = origin(3, v), torch.cat([torch.zeros(20, 1), v], -1)
    alpha = -inner(o.expand(20, 4), m)[:, None]
    moved = tangent + inner(m - alpha * o, tangent)[:, None] / (alpha + 1) * (o + m)
    size = inner(moved, moved).sqrt()[:, None]
    z = size.cosh() * m + size.sinh() * moved / size
    torch.testing.assert_close(boost(m, exp_origin(v)), z, rtol=1e-8, atol=1e-8)


def test_what_is_no_point_of_it():
    z = from_chart(torch.randn(4, 2))
    assert bool(hyperboloid.check(z).all())
    assert not bool(hyperboloid.check(-z).any())
    assert not bool(hyperboloid.check(z + 0.1).any())
    assert bool(hyperboloid.check(exp_origin(6 * torch.randn(100, 2)).float()).all())
    assert str(hyperboloid) == "Hyperboloid"
