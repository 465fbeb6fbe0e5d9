"""The densities, Pathfinder, DADVI and the shortfall, on posteriors that are known exactly."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from guides import MeanField, PerDatum
from zoo.isolation import isolated
from zoo.normals.dadvi import dadvi
from zoo.normals.log_density import LogDensity, in_float64
from zoo.normals.normal import Normal, balanced_draws, elbo
from zoo.normals.pathfinder import pathfinder, starting_points
from zoo.normals.shortfall import shortfall
from zoo.objectives import Trace
from zoo.program import build

SCALES = torch.tensor([1.0, 1000.0, 0.01], dtype=torch.float64)
MIXING = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.3, -0.5, 0.81]], dtype=torch.float64)
FACTOR = torch.linalg.cholesky(SCALES[:, None] * (MIXING @ MIXING.mT) * SCALES)
MEAN = torch.tensor([3.0, -5000.0, 0.75], dtype=torch.float64)


def gaussian(mean, factor):
    """A posterior that is N(mean, factor factor^T), with evidence 1."""
    pyro.sample("u", dist.MultivariateNormal(mean, scale_tril=factor))


def positive(x):
    """A rate with its exact gamma posterior."""
    rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Poisson(rate), obs=x)


def one_by_one(x, y):
    """Written for one particle: x @ b does not broadcast over particles."""
    b = pyro.sample("b", dist.Normal(torch.zeros(2), 10.0).to_event(1))
    s = pyro.sample("s", dist.HalfCauchy(1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal(x @ b, s), obs=y)


def density_of(model, *args):
    program = build(model, MeanField, Trace(), args)
    program.eval()
    return in_float64(model, args, {}, program)


def last(rounds):
    return list(rounds)[-1]


def exact_elbo(*, correlated):
    """The highest ELBO: 0, or -KL of the independent normal with the conditional sds."""
    if correlated:
        return 0.0
    precision = torch.cholesky_inverse(FACTOR)
    log_det_of_best = -precision.diagonal().log().sum()
    return 0.5 * float(log_det_of_best - 2 * FACTOR.diagonal().log().sum())


def test_log_density_and_gradient_are_the_model_s_in_float64():
    x = torch.tensor([3.0, 1.0, 4.0])
    with isolated(seed=0):
        density = density_of(positive, x)
        u = torch.tensor([[-1.0], [0.3], [2.0]], dtype=torch.float64)
        rate = u.exp()[:, 0]
        exact = (
            dist.Gamma(2.0, 1.0).log_prob(rate)
            + dist.Poisson(rate[:, None]).log_prob(x.double()).sum(1)
            + u[:, 0]
        )
        for _ in range(10):  # the later calls are of the traced form
            values, slopes = density.with_gradient(u)
    assert density.dtype == torch.float64
    torch.testing.assert_close(values, exact)
    torch.testing.assert_close(density(u), exact)
    torch.testing.assert_close(slopes[:, 0], 2 + x.sum() - (1 + len(x)) * rate)


def test_a_float32_model_is_scored_in_float64():
    """The level of the data leaves float32 two digits of the gradient."""

    def level(x):
        mean = pyro.sample("mean", dist.Normal(0.0, 1e6))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 0.01), obs=x)

    torch.set_default_dtype(torch.float32)
    try:
        x = 1e4 + torch.tensor([0.0, 0.25, 0.5])
        with isolated(seed=0):
            density = density_of(level, x)
            u = torch.full((1, 1), 1e4 + 0.25 + 1e-4, dtype=torch.float64)
            _, slope = density.with_gradient(u)
    finally:
        torch.set_default_dtype(torch.float64)
    assert density.dtype == torch.float64
    assert slope.item() == pytest.approx(-3 * 1e-4 / 0.01**2, rel=1e-3)


def test_a_model_that_does_not_broadcast_is_mapped_over_points():
    torch.manual_seed(0)
    x = torch.randn(30, 2)
    y = x @ torch.tensor([1.0, -2.0]) + 0.3 * torch.randn(30)
    with isolated(seed=0):
        density = density_of(one_by_one, x, y)
        u = torch.randn(7, 3, dtype=torch.float64)
        values, slopes = density.with_gradient(u)
        each = [density.with_gradient(one[None]) for one in u]
    assert not density.joint.latents.vectorises
    torch.testing.assert_close(values, torch.cat([value for value, _ in each]))
    torch.testing.assert_close(slopes, torch.cat([slope for _, slope in each]))


def test_latents_of_rows_are_refused():
    def local(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    x = torch.zeros(4)
    with isolated(seed=0):
        program = build(local, PerDatum, Trace(), (x,)).eval()
        with pytest.raises(ValueError, match="each belongs to a row"):
            LogDensity(program, (x,))


def test_balanced_draws_have_the_moments_of_a_standard_normal():
    z = balanced_draws(64, 5, seed=3)
    torch.testing.assert_close(z.mean(0), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(z.mT @ z / 64, torch.eye(5, dtype=torch.float64))
    few = balanced_draws(8, 5, seed=3)
    torch.testing.assert_close(few.square().mean(0), torch.ones(5, dtype=torch.float64))


def test_pathfinder_finds_a_gaussian_of_any_units():
    with isolated(seed=0):
        density = density_of(gaussian, MEAN, FACTOR)
        for start in starting_points(3, 3, seed=0):
            path = pathfinder(density, start)
            assert -0.1 < path.elbo < 1e-3
            moved = torch.linalg.solve_triangular(
                FACTOR, (path.normal.mean - MEAN)[:, None], upper=False
            )
            assert moved.abs().max() < 0.05


@pytest.mark.parametrize("correlated", [False, True])
def test_dadvi_reaches_the_best_normal_of_its_family(correlated):
    with isolated(seed=0):
        density = density_of(gaussian, MEAN, FACTOR)
        start = pathfinder(density, starting_points(1, 3, seed=0)[0]).normal
        found = last(dadvi(density, start, correlated=correlated))
    assert found.shortfall.reached(0.05)
    assert found.shortfall.elbo == pytest.approx(
        exact_elbo(correlated=correlated), abs=3 * found.shortfall.elbo_se + 2e-3
    )
    moved = ((found.normal.mean - MEAN) / found.normal.sd).abs().max()
    assert moved < 0.05
    if correlated:
        covariance = found.normal.factor @ found.normal.factor.mT
        torch.testing.assert_close(
            covariance / SCALES / SCALES[:, None], MIXING @ MIXING.mT, atol=1e-3, rtol=0
        )


def test_dadvi_stops_at_the_steps_it_is_given():
    with isolated(seed=0):
        density = density_of(gaussian, MEAN, FACTOR)
        far = Normal(torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64))
        found = last(dadvi(density, far, correlated=True, most_steps=2))
    assert len(found.elbos) == 2
    assert not found.shortfall.reached(0.05)


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_shortfall_is_the_rise_and_the_move_that_are_left(shift, correlated):
    """On a normal posterior a shift of the mean by s sds costs s^2 / 2 nats, a factor c of the
    scales d (c^2 - 1 - 2 log c) / 2."""
    with isolated(seed=0):
        density = density_of(gaussian, MEAN, FACTOR)
        best = Normal(MEAN, FACTOR) if correlated else Normal(MEAN, FACTOR).without_correlations()
        moved = Normal(best.mean + shift * best.factor[:, 0], best.factor)
        found = shortfall(density, moved, correlated=correlated, tolerance=0.05, seed=0)
        costs = elbo(density, best, balanced_draws(64, 3, 0)) - elbo(
            density, moved, balanced_draws(64, 3, 0)
        )
    assert found.rise == pytest.approx(costs, abs=3 * found.rise_se + 1e-3)
    assert found.reached(0.05) == (shift == 0.0)
    if correlated:
        first = shift * (best.factor[:, 0] / best.sd).abs().max()
        assert found.move == pytest.approx(float(first), abs=0.02)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_the_shortfall_sees_a_wrong_scale(factor):
    with isolated(seed=0):
        density = density_of(gaussian, MEAN, FACTOR)
        wrong = Normal(MEAN, factor * FACTOR)
        found = shortfall(density, wrong, correlated=True, tolerance=0.05, seed=0)
    costs = 3 * (factor**2 - 1 - 2 * math.log(factor)) / 2
    assert found.rise == pytest.approx(costs, rel=0.5)
    assert not found.reached(0.05)
