"""Splines: smooth, increasing, and inverted even where their knots are wild."""

import pytest
import torch
from cases import AUTODIFF, IDENTITY

from guides.parts.flows import conditional_nets
from zoo.flows.spline import BOX, Splines, inverse_spline, knots, numbers_of, spline

MILLIONTH = 1e-6


def test_a_spline_joins_the_identity_smoothly():
    at = knots(*(torch.randn(5, n) for n in numbers_of(7)))
    for edge in (-BOX, BOX):
        x = edge + torch.tensor([-1e-9, 0.0, 1e-9])[:, None].expand(3, 5)
        y, log_slope = spline(x, at)
        torch.testing.assert_close(y, x, rtol=IDENTITY, atol=IDENTITY)
        assert log_slope.abs().max() < AUTODIFF
        torch.testing.assert_close(inverse_spline(y, at), x, rtol=IDENTITY, atol=IDENTITY)
    grid = torch.linspace(-1.5 * BOX, 1.5 * BOX, 400)[:, None].expand(400, 5)
    assert (spline(grid, at)[0].diff(dim=0) > 0).all()
    zeros = knots(*(torch.zeros(5, n) for n in numbers_of(7)))
    torch.testing.assert_close(spline(grid, zeros)[0], grid, rtol=IDENTITY, atol=IDENTITY)


@torch.no_grad()
@pytest.mark.parametrize("bins", [4, 8])
def test_wild_splines_are_inverted_to_a_millionth(bins):
    """Knots' numbers of sd 3; and a step of three values, each of which moves the next."""
    at = knots(*(3 * torch.randn(2000, n) for n in numbers_of(bins)))
    x = torch.cat([BOX * (2 * torch.rand(20, 2000) - 1), at.x.T, at.x.T + 1e-9, at.x.T - 1e-9])
    assert (inverse_spline(spline(x, at)[0], at) - x).abs().max() < MILLIONTH
    net = conditional_nets(3, 4, 1, 32, numbers_of(bins))[0]
    context, loc, scale = torch.randn(2000, 4), torch.randn(2000, 3), torch.ones(())
    x = loc + torch.randn(2000, 3)
    spread = torch.cat([part.flatten() for part in net(x, context)]).std()
    for last in (net.layers[-1].weight, net.layers[-1].bias):
        last.mul_(3 / spread)
    step = Splines(net, loc, scale, context)
    assert (step._inverse(step._call(x)) - x).abs().max() < MILLIONTH
