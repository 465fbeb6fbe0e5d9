"""Relaxations of binary and one-hot draws: their laws, their limits, and densities between."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    relative_error,
    standard_error,
)
from network_of_causes import (
    largest_z,
)
from pyro import poutine
from torch.nn.functional import one_hot

from zoo.objectives.concrete import (
    Between,
    Finite,
    draw_given,
    draw_real,
    noise,
    relax,
    threshold,
)
from zoo.traces import Assign

BINARY = Finite(torch.tensor([-1.2, 0.0, 0.4, 2.5]), binary=True)
ONE_HOT = Finite(torch.tensor([[-1.2, 0.3, 0.4], [2.0, 0.0, -0.5]]), binary=False)


def many(q, count=4000):
    return q._replace(logits=q.logits.expand(count, *q.logits.shape))


@pytest.mark.parametrize("q", [BINARY, ONE_HOT], ids=["binary", "one-hot"])
def test_the_second_draw_has_the_first_ones_threshold_and_law(q):
    wide = many(q)
    z = draw_real(wide, noise(wide, 1)[0])
    b = threshold(wide, z)
    z_tilde = draw_given(wide, b, noise(wide, 1)[0])
    assert torch.equal(threshold(wide, z_tilde), b)
    chance = q.logits.sigmoid() if q.binary else q.logits.softmax(-1)
    assert largest_z(b, chance) < ERRORS
    for function in (torch.tanh, lambda z: (-z).sigmoid() ** 2, lambda z: b * torch.tanh(z)):
        first, second = function(z), function(z_tilde)
        error = (standard_error(first) ** 2 + standard_error(second) ** 2).sqrt()
        assert ((first.mean(0) - second.mean(0)).abs() < ERRORS * error).all()


def test_the_binary_second_draw_inverts_the_distribution_function():
    """Given b, the noise of z is uniform above or below 1 - p."""
    v = torch.rand(4)
    p = BINARY.logits.sigmoid()
    above = BINARY.logits + (1 - p + v * p).logit()
    below = BINARY.logits + ((1 - v) * (1 - p)).logit()
    assert relative_error(draw_given(BINARY, torch.ones(4), v), above) < IDENTITY
    assert relative_error(draw_given(BINARY, torch.zeros(4), v), below) < IDENTITY


@pytest.mark.parametrize("q", [BINARY, ONE_HOT], ids=["binary", "one-hot"])
def test_the_relaxation_is_the_threshold_when_cold(q):
    z = draw_real(q, noise(q, 1)[0])
    assert relative_error(relax(q, z, torch.tensor(1e-3)), threshold(q, z)) < IDENTITY
    warm = relax(q, z, torch.tensor(1.0))
    assert ((warm > 0) & (warm < 1)).all()


@pytest.mark.parametrize("q", [BINARY, ONE_HOT], ids=["binary", "one-hot"])
def test_extreme_noise_stays_finite(q, monkeypatch):
    for edge in (torch.zeros_like, torch.ones_like):
        monkeypatch.setattr(torch, "rand_like", edge)
        leaf = q._replace(logits=q.logits.clone().requires_grad_())
        z = draw_real(leaf, noise(leaf, 1)[0])
        z_tilde = draw_given(leaf, threshold(leaf, z), noise(leaf, 1)[0])
        total = (relax(leaf, z, torch.tensor(0.1)) + relax(leaf, z_tilde, torch.tensor(0.1))).sum()
        (slope,) = torch.autograd.grad(total, leaf.logits)
        assert z.isfinite().all()
        assert z_tilde.isfinite().all()
        assert slope.isfinite().all()


def test_a_one_hot_density_is_linear_between_its_corners():
    q = dist.OneHotCategorical(logits=torch.randn(2, 3), validate_args=False).to_event(1)
    corners = one_hot(torch.tensor([[0, 2], [1, 1]]), 3).double()

    def score(value):
        with Between(), Assign({"z": value}):
            found = poutine.trace(pyro.sample).get_trace("z", q)
        found.compute_log_prob()
        return found.nodes["z"]["log_prob"]

    exact = torch.stack([q.log_prob(corner) for corner in corners])
    assert relative_error(torch.stack([score(corner) for corner in corners]), exact) < IDENTITY
    middle = 0.3 * corners[0] + 0.7 * corners[1]
    assert relative_error(score(middle), 0.3 * exact[0] + 0.7 * exact[1]) < IDENTITY
