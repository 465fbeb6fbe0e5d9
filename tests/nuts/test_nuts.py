"""The no-U-turn sampler: its steps, its draws from known densities, and its adaptation."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

import zoo
from zoo.arviz_compat import chain_diagnostics
from zoo.compile.scans.operation import OPERATION, calls
from zoo.isolation import in_double, isolated
from zoo.metrics.posterior import exact_moments
from zoo.nuts.chains import Point
from zoo.nuts.first_step import first_step
from zoo.nuts.metric import scale_of, to_q, to_u, whitened, windows
from zoo.nuts.run import Plan, sample
from zoo.nuts.tree import _level, _trailing_ones, leapfrog
from zoo.reference.posterior import Posterior
from zoo.torch_private import make_fx

COVARIANCE = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 9.0]])
MEAN = torch.tensor([1.0, -2.0, 3.0])
PRECISION = torch.linalg.inv(COVARIANCE)


def normal(u):
    """Log density of N(MEAN, COVARIANCE) but for a constant, and its gradient."""
    slope = (MEAN - u) @ PRECISION
    return ((u - MEAN) * slope).sum(-1) / 2, slope


def quartic(u):
    return -u.pow(4).sum(-1) / 4, -u.pow(3)


def drawn(density, start, seed=0, **plan):
    with isolated(seed=seed), in_double():
        return sample(density, start, Plan(**{"draws": 100, "warmup": 150, **plan}))


@pytest.fixture(scope="module")
def run():
    torch.manual_seed(0)
    return drawn(normal, torch.randn(60, 3), draws=40, warmup=60)


def test_a_leapfrog_step_goes_back():
    q, p = torch.randn(4, 5), torch.randn(4, 5)
    step = torch.full((4, 1), 0.3)
    there = leapfrog(q, p, quartic(q)[1], step, quartic)
    back = leapfrog(*there[:3], -step, quartic)
    assert torch.allclose(back[0], q, rtol=1e-8)
    assert torch.allclose(back[1], p, rtol=1e-8)


def test_the_error_of_the_energy_is_of_second_order():
    q, p = torch.randn(3, 2), torch.randn(3, 2)
    begin_energy = p.square().sum(-1) / 2 - quartic(q)[0]

    def error(steps):
        place, momentum, slope, value = q, p, quartic(q)[1], None
        for _ in range(steps):
            step = torch.full((3, 1), 0.4 / steps)
            place, momentum, slope, value = leapfrog(place, momentum, slope, step, quartic)
        return (momentum.square().sum(-1) / 2 - value - begin_energy).abs()

    order = (error(50) / error(100)).log2()
    assert ((order - 2).abs() < 0.1).all()


def test_places_of_open_subtrees_are_bits():
    n = torch.arange(64.0)
    assert _level(n, 9).tolist() == [(i // 2).bit_count() for i in range(64)]
    assert _trailing_ones(n, 9).tolist() == [(~i & (i + 1)).bit_length() - 1 for i in range(64)]


def test_draws_have_the_moments_of_a_normal(run):
    flat = run.u.flatten(0, 1)
    for i in range(3):
        told = chain_diagnostics(run.u[:, :, i].numpy())
        assert abs(float(flat[:, i].mean() - MEAN[i])) < 5 * told["mcse_mean"]
        assert abs(float(flat[:, i].std() - COVARIANCE[i, i].sqrt())) < 5 * told["mcse_sd"]
    product = ((run.u - MEAN)[..., :2]).prod(-1)
    told = chain_diagnostics(product.numpy())
    assert abs(float(product.mean() - 0.9)) < 5 * told["mcse_mean"]


def test_acceptance_meets_its_target_and_the_metric_the_covariance(run):
    assert abs(float(run.acceptance.mean()) - 0.8) < 0.12
    found = run.scale @ run.scale.T
    assert torch.allclose(found.diagonal(), COVARIANCE.diagonal(), rtol=0.3)
    assert not run.diverged.any()


def test_a_scan_in_the_density_is_a_loop_of_the_compiled_block():
    """The same first draws as by a density whose recursion is a Python loop, step by step."""
    y = torch.randn(40, generator=torch.Generator().manual_seed(0)).double()

    def model(y):
        pull = pyro.sample("pull", dist.Uniform(y.new_zeros(()), y.new_ones(())))
        pull, rows = pull[..., None].expand(*pull.shape, len(y)), y.expand(*pull.shape, len(y))
        begin = torch.zeros_like(pull[..., 0])
        _, means = zoo.scan(lambda c, e: (pull[..., 0] * c + e, c), begin, rows.movedim(-1, 0))
        pyro.sample("y", dist.Normal(means.movedim(0, -1), 1.0).to_event(1), obs=y)

    with isolated(seed=1), in_double():
        posterior = Posterior(model, (y,), {}, 3)
        assert calls(posterior.slope, OPERATION)
        start = posterior.start()
    one, two = (
        drawn(density, start, draws=5, warmup=10, compiles=compiles)
        for density, compiles in ((posterior.slope, True), (posterior.plain, False))
    )
    assert torch.allclose(one.u[:3], two.u[:3], rtol=1e-6)


def test_a_seed_gives_its_draws_again():
    start = torch.randn(3, 3)
    one, two, other = (drawn(normal, start, seed=seed, draws=3, warmup=5) for seed in (1, 1, 2))
    assert torch.equal(one.u, two.u)
    assert not torch.equal(one.u, other.u)


def test_a_divergence_is_counted():
    def cliff(u):
        """Standard normal below 1, and beyond it a wall that no step can foresee."""
        return torch.where((u < 1).all(-1), -u.square().sum(-1) / 2, -1e6), -u

    found = drawn(cliff, torch.zeros(4, 1), draws=30, warmup=20)
    assert found.diverged.any()
    assert (found.u < 1).all()


def test_values_that_are_no_numbers_are_divergences():
    def half(u):
        """A density on u > -1 alone, NaN elsewhere."""
        value = (u + 1).log().sum(-1) - u.sum(-1)
        return value, 1 / (u + 1) - 1

    found = drawn(half, torch.zeros(4, 1), draws=50, warmup=20)
    assert (found.u > -1).all()
    assert found.u.isfinite().all()


def test_a_trajectory_has_a_longest_length():
    found = drawn(normal, MEAN + torch.randn(2, 3), draws=20, warmup=0, most_depth=2)
    assert found.leaves.max() <= 3


@pytest.mark.parametrize("warmup", [1, 10, 149, 150, 300, 1000, 1234])
def test_windows_fill_the_warm_up(warmup):
    parts = windows(warmup)
    assert sum(part.draws for part in parts) == warmup
    assert all(part.draws > 0 for part in parts)


def test_windows_of_a_thousand_are_stans():
    lengths = [part.draws for part in windows(1000) if part.estimates]
    assert lengths == [25, 50, 100, 200, 500]


def test_whitening_is_a_change_of_variables():
    scale = torch.linalg.cholesky(COVARIANCE)
    u = torch.randn(4, 3)
    assert torch.allclose(to_u(to_q(u, scale), scale), u, rtol=1e-8)
    q = to_q(u, scale).requires_grad_()
    value, slope = whitened(normal, scale)(q)
    (expected,) = torch.autograd.grad(value.sum(), q)
    assert torch.allclose(slope, expected, rtol=1e-8)


def test_few_draws_say_little_of_correlations():
    with isolated(seed=0):
        z = torch.randn(6, 40)
    scale = scale_of(z, dense=True)
    assert scale.isfinite().all()
    assert torch.linalg.cond(scale) < 100
    assert scale_of(z, dense=False).shape == (40,)


def test_the_first_step_is_accepted_about_half_the_time():
    with isolated(seed=0), in_double():
        u = 1e-3 * torch.randn(5, 2)
        value, slope = quartic(u)
        narrow = whitened(quartic, torch.full((2,), 1e3))
        step = first_step(Point(u / 1e3, value, slope * 1e3), narrow, torch.ones(5))
    assert ((step > 1e-4) & (step < 1e-1)).all()


@pytest.mark.exhaustive
def test_the_compiled_loop_gives_the_plain_draws():
    with isolated(), in_double():
        graph = make_fx(normal)(torch.randn(2, 3))
    start = torch.randn(2, 3)
    one = drawn(graph, start, draws=20, warmup=20)
    two = drawn(graph, start, draws=20, warmup=20, compiles=False)
    assert torch.allclose(one.u, two.u, rtol=1e-6)
    assert torch.equal(one.leaves, two.leaves)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", ["eight_schools", "eight_schools_noncentred", "linear_regression"]
)
def test_draws_have_the_exact_moments(name):
    task = zoo.load(name)
    found = zoo.reference(task, chains=8, draws=1000, warmup=400, accept=0.95)
    exact = exact_moments(task.build(), task.split("train"))
    for site, pair in exact.items():
        for i, truth in enumerate(pair):
            error = found.errors()[site][i]
            assert ((found.moments()[site][i] - truth).abs() < 5 * error).all(), (site, i)


def test_a_subtree_of_any_size_turns_where_all_its_leaves_do():
    """A full circle of an oscillator is never gone round: trajectories stop before it closes."""
    with isolated(seed=0), in_double():
        u = torch.randn(8, 2)
        found = drawn(lambda q: (-q.square().sum(-1) / 2, -q), u, draws=60, warmup=60)
    lengths = found.leaves * found.steps[:, None]
    assert (lengths < 4 * math.pi).all()
