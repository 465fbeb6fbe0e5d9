"""Variances of estimators on toys, against their closed forms, within 3 %.

The number of draws is such that the standard error of each variance is below 1 %.
"""

import pytest
import torch
from cases import ERRORS, IDENTITY
from network_of_causes import largest_z
from toys import (
    a_toy,
    bernoulli_toy,
    exact_toy_gradient,
    gaussian_toy,
    square_distance,
    toy_gradients,
    variance_and_error,
)

from zoo.objectives import (
    ConstantBaseline,
    DisARM,
    LeaveOneOut,
    MeanFieldKL,
    StickingTheLanding,
    TraceGraph,
)
from zoo.objectives.arm import ARM
from zoo.objectives.arms import ARMS
from zoo.objectives.reinforce import Reinforce

D, TARGET = 200, 0.499
THETA = torch.tensor([2.0])


def has_variance(found, expected):
    """Within 3 % of the closed form, and measured to better than 1 %."""
    variance, error = variance_and_error(found)
    assert error < 0.01 * expected
    assert abs(variance - expected) < 0.03 * expected
    return True


def square(x):
    return (x**2).sum(-1)


@pytest.mark.thin(3)
@pytest.mark.parametrize(("target", "expected"), [(0.45, 0.015939), (0.499, 0.015625)])
@pytest.mark.parametrize("objective", [TraceGraph(), Reinforce()], ids=str)
def test_reinforce_on_one_bit(objective, target, expected):
    with a_toy(bernoulli_toy(square_distance(target), torch.zeros(1)), objective) as program:
        assert has_variance(toy_gradients(program, 40_000), expected)


@pytest.mark.thin(2)
@pytest.mark.parametrize("target", [0.45, 0.499])
def test_disarm_on_one_bit_has_no_variance(target):
    cost, logits = square_distance(target), torch.zeros(1)
    for objective in (DisARM(), ARMS(2)):
        with a_toy(bernoulli_toy(cost, logits), objective) as program:
            found = toy_gradients(program, 1000)
        exact = exact_toy_gradient(cost, logits)
        assert ((found - exact).abs() <= IDENTITY * exact.abs()).all()


@pytest.mark.parametrize("target", [0.45, 0.499])
def test_arm_on_one_bit(target):
    """(f(1) - f(0)) |u - 1/2| has variance (1 - 2t)^2 / 48."""
    with a_toy(bernoulli_toy(square_distance(target), torch.zeros(1)), ARM()) as program:
        assert has_variance(toy_gradients(program, 40_000), (1 - 2 * target) ** 2 / 48)


def mean_cost():
    """E 1/D ||b - t||^2 at probability 1/2."""
    return (TARGET**2 + (1 - TARGET) ** 2) / 2


@pytest.mark.thin(3)
@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (LeaveOneOut(2), 1.25e-9),
        (DisARM(), 1.244e-9),
        (Reinforce(2, (ConstantBaseline(mean_cost()),)), 6.22e-10),
    ],
    ids=str,
)
def test_two_hundred_bits(objective, expected):
    toy = bernoulli_toy(square_distance(TARGET), torch.zeros(D))
    with a_toy(toy, objective) as program:
        found = toy_gradients(program, 30_000)
    assert has_variance(found, expected)


@pytest.mark.thin(5)
@pytest.mark.parametrize("particles", [1, 10])
@pytest.mark.parametrize("baseline", [0.0, 5.0, 7.0])
def test_reinforce_on_a_gaussian(particles, baseline):
    """(87 - 14 b + b^2) / N."""
    objective = Reinforce(particles, (ConstantBaseline(baseline),) if baseline else ())
    with a_toy(gaussian_toy(square, THETA), objective) as program:
        found = toy_gradients(program, {1: 800_000, 10: 100_000}[particles])
    assert largest_z(found, 2 * THETA) < ERRORS
    assert has_variance(found, (87 - 14 * baseline + baseline**2) / particles)


@pytest.mark.thin(4)
@pytest.mark.parametrize("particles", [1, 10])
@pytest.mark.parametrize("kind", [MeanFieldKL, StickingTheLanding])
def test_the_reparameterised_gradient_on_a_gaussian(kind, particles):
    """4 / N. The KL term's gradient is 0 in closed form, and along the path too."""
    with a_toy(gaussian_toy(square, THETA), kind(particles)) as program:
        found = toy_gradients(program, 40_000)
    assert largest_z(found, 2 * THETA) < ERRORS
    assert has_variance(found, 4 / particles)
