"""Tests of bias hold their level, however coordinates are correlated, and find what is there."""

import pytest
import torch
from cases import ERRORS, IDENTITY

from zoo.gradients.bias import Reference, bias, hotelling, length, sidak
from zoo.gradients.moments import BLOCKS, moments

SEEDS = 200
LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
COORDINATES = 300


def correlated(shift=0.0, decades=6):
    """300 skewed coordinates made of 12 shared noises, of very different scales; mean `shift`."""
    mix = torch.randn(12, COORDINATES) * torch.logspace(-decades / 2, decades / 2, COORDINATES)

    def sample(count):
        return (torch.rand(count, 12).log() + 1) @ mix + shift

    return sample


def found_of(sample, draws=1280):
    return moments(sample, draws, {"total": torch.arange(sample(1).shape[1])})


def uniform(p_values):
    """Is the share of p-values below each level that level, within five standard errors?"""
    p = torch.tensor(p_values)
    for level in LEVELS:
        share, error = (p <= level).double().mean(), (level * (1 - level) / len(p)) ** 0.5
        assert abs(share - level) <= ERRORS * error, (level, share)
    return True


def test_moments_are_those_of_all_draws_at_once():
    sample, kept = correlated(2.0), []

    def noted(count):
        kept.append(sample(count))
        return kept[-1]

    groups = {"left": torch.arange(100), "total": torch.arange(COORDINATES)}
    found = moments(noted, 1000, groups)
    assert found.draws == 1024
    draws = torch.cat(kept)
    assert torch.allclose(found.mean, draws.mean(0), rtol=IDENTITY)
    within = torch.stack([block.var(0) for block in kept])
    assert torch.allclose(found.variance, within.mean(0), rtol=IDENTITY)
    assert torch.allclose(found.first, within[0], rtol=IDENTITY)
    assert torch.allclose(found.spread["left"], within[:, :100].sum(1), rtol=IDENTITY)
    assert found.largest == pytest.approx(
        max(float((block - block.mean(0)).abs().max()) for block in kept), rel=IDENTITY
    )


def test_the_variance_and_its_standard_error_are_right():
    """Of independent exponentials: variance 1 each."""
    spread = [
        found_of(lambda n: torch.rand(n, 5).log(), 640).spread["total"] for _ in range(SEEDS)
    ]
    means = torch.stack([one.mean() for one in spread])
    errors = torch.stack([one.std() / BLOCKS**0.5 for one in spread])
    assert abs(means.mean() - 5.0) < ERRORS * means.std() / SEEDS**0.5
    claimed, seen = errors.square().mean(), means.var()
    assert abs(claimed / seen - 1) < ERRORS * (2 / SEEDS) ** 0.5


def test_p_values_are_uniform_without_bias():
    sample, exact = correlated(), Reference(torch.zeros(COORDINATES), None, "")
    assert uniform([bias(found_of(sample), exact, seed=seed).p_value for seed in range(SEEDS)])


def test_the_largest_z_is_not_found_too_large():
    sample, exact = correlated(), Reference(torch.zeros(COORDINATES), None, "")
    p = torch.tensor([bias(found_of(sample), exact).max_z_p_value for _ in range(SEEDS)])
    for level in LEVELS:
        error = (level * (1 - level) / SEEDS) ** 0.5
        assert (p <= level).double().mean() <= level + ERRORS * error


def test_sidak_is_exact_for_independent_coordinates():
    z = torch.randn(2000, 50).abs().max(1).values
    assert uniform([sidak(float(one), 50, 10**6) for one in z])


def test_hotelling_is_exact_for_normal_blocks():
    mix = torch.randn(10, 10)
    assert uniform([hotelling(torch.randn(30, 10) @ mix) for _ in range(SEEDS)])


@pytest.mark.thorough
def test_a_reference_with_noise_counts_its_own():
    sample, p_values = correlated(), []
    for seed in range(SEEDS):
        long = found_of(sample, 1280)
        exact = Reference(long.mean, long, "")
        p_values.append(bias(found_of(sample), exact, seed=seed).p_value)
    p = torch.tensor(p_values)
    for level in LEVELS:
        error = (level * (1 - level) / SEEDS) ** 0.5
        assert (p <= level).double().mean() <= level + ERRORS * error
    assert p.median() < 0.9


@pytest.mark.parametrize("noisy", [False, True])
def test_bias_is_found_and_measured(noisy):
    shift = torch.zeros(COORDINATES)
    shift[::7] = 0.5
    sample, zero = correlated(shift, decades=1), torch.zeros(COORDINATES)
    exact = Reference(zero, None, "")
    if noisy:
        long = found_of(lambda n: sample(n) - shift, 12800)
        exact = Reference(long.mean, long, "")
    found = bias(found_of(sample), exact)
    assert found.p_value < 1e-6
    assert found.max_z_p_value < 1e-6
    assert found.coordinate % 7 == 0
    assert abs(found.norm - shift.norm()) < ERRORS * found.se


def test_a_bias_of_one_tiny_coordinate_is_found_by_its_z():
    """Random directions see coordinates of less than 5 % of the usual spread the less for it."""
    shift = torch.zeros(COORDINATES)
    shift[7] = 0.5
    found = bias(found_of(correlated(shift)), Reference(torch.zeros(COORDINATES), None, ""))
    assert found.max_z_p_value < 1e-6
    assert found.coordinate == 7


def test_the_length_of_a_bias_has_no_noise_in_it():
    shift = torch.ones(50) * 0.02
    lengths, errors = [], []
    for _ in range(SEEDS):
        value, se = length(torch.randn(BLOCKS, 50) * 0.02 + shift)
        lengths.append(value)
        errors.append(se)
    lengths, errors = torch.tensor(lengths), torch.tensor(errors)
    exact = float(shift.norm())
    assert abs((lengths**2).mean() - exact**2) < ERRORS * (lengths**2).std() / SEEDS**0.5
    assert 0.8 < errors.mean() / lengths.std() < 1.25
    assert length(torch.zeros(BLOCKS, 3)) == (0.0, 0.0)


def noiseless(values):
    return lambda count: values.expand(count, -1)


@pytest.mark.parametrize(("off", "p_value"), [(0.0, 1.0), (1e-6, 0.0)])
def test_coordinates_without_variance_are_to_be_equal(off, p_value):
    values = torch.tensor([1.0, -2.0, 0.0])
    found = bias(found_of(noiseless(values + off)), Reference(values, None, ""))
    assert found.p_value == p_value
    assert found.norm == pytest.approx(off * 3**0.5, abs=IDENTITY)


def test_one_silent_coordinate_among_noisy_ones():
    def sample(count):
        return torch.cat((torch.randn(count, 4), torch.full((count, 1), 3.0)), 1)

    exact = torch.tensor([0.0, 0.0, 0.0, 0.0, 3.0])
    assert bias(found_of(sample), Reference(exact, None, "")).p_value > 1e-4
    exact[4] = 3.2
    assert bias(found_of(sample), Reference(exact, None, "")).p_value == 0.0


def test_an_event_too_rare_to_be_seen_is_no_bias():
    """The exact mean of a coordinate that moves once in a hundred thousand draws."""
    chance = 1e-5

    def sample(count):
        return torch.cat((torch.randn(count, 4), torch.zeros(count, 1)), 1)

    exact = torch.tensor([0.0, 0.0, 0.0, 0.0, chance])
    assert bias(found_of(sample), Reference(exact, None, "")).p_value > 1e-4


def test_coordinates_without_a_bound_are_left_out():
    sample = correlated()
    exact = torch.zeros(COORDINATES)
    exact[::2] = torch.nan
    assert bias(found_of(sample), Reference(exact, None, "")).p_value > 1e-4
    exact[1] = 1e3
    assert bias(found_of(sample), Reference(exact, None, "")).p_value < 1e-6
