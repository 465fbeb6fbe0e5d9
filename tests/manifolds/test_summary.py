"""Means of draws in curved spaces, and their spread by geodesic distance."""

import math

import torch
from torch import tensor

from zoo.manifolds.lorentz_normal import distance, exp_origin, origin, wrapped_normal
from zoo.manifolds.power_spherical import PowerSpherical
from zoo.manifolds.sphere import angle, unit
from zoo.manifolds.summary import on_hyperboloid, on_sphere


def test_draws_on_a_sphere_have_the_mean_direction_of_their_distribution():
    torch.manual_seed(0)
    loc = unit(torch.randn(4, 3))
    mean, spread = on_sphere(PowerSpherical(loc, torch.full((4,), 400.0)).sample((4000,)))
    # the tangent is nearly normal, with variance E|tangent|^2 / 2 = 1 / 200 for each direction
    assert bool((angle(mean, loc) < 5 * (2 / 200 / 4000) ** 0.5).all())
    assert spread.shape == (4, 1)
    torch.testing.assert_close(spread, torch.full((4, 1), 0.1), rtol=0.05, atol=0.0)


def test_a_circle_about_a_direction_has_its_radius_as_spread():
    a = torch.arange(12) * (math.pi / 6)
    tilt = tensor(0.7)
    around = torch.stack([tilt.sin() * a.cos(), tilt.sin() * a.sin(), tilt.cos().expand(12)], -1)
    mean, spread = on_sphere(around)
    torch.testing.assert_close(mean, tensor([0.0, 0.0, 1.0]), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(spread, tensor([0.7]), rtol=1e-8, atol=1e-8)


def test_a_circle_in_hyperbolic_space_too_wherever_it_lies():
    a = torch.arange(12) * (math.pi / 6)
    v = 1.3 * torch.stack([a.cos(), a.sin()], -1)
    centre = exp_origin(tensor([0.4, -2.0]))
    for loc in (origin(2, v), centre):
        wrap = wrapped_normal(loc, torch.ones(2)).transforms[0]
        mean, spread = on_hyperboloid(wrap(v))
        assert distance(mean, loc) < 1e-7
        torch.testing.assert_close(spread, tensor([1.3]), rtol=1e-8, atol=1e-8)
