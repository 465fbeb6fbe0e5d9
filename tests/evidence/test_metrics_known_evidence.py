"""Estimators of the evidence on models that know theirs, from independent rows to one function."""

import pytest
import torch
from test_metrics_ais import near, untrained

import zoo
from guides import MeanField, PerDatum
from zoo.evidence import AnnealedImportance, Bidirectional, TemperedSMC
from zoo.evidence.ais import LARGEST_COVARIANCE, pilot_chains, spread_of
from zoo.evidence.estimator import densities
from zoo.evidence.hmc import Stride
from zoo.isolation import isolated

ERRORS, IDENTITY, ROWS = 5, 1e-8, 20
MODELS = {"ppca", "factor_analysis", "local_level", "linear_regression", "gp_regression"}
SHARED = {"linear_regression", "gp_regression"}  # the latents; x is given, y simulated


def first_rows(name, rows):
    """A task's model, untrained, and the first rows of its data."""
    task = zoo.load(name)
    args = tuple(arg.double()[:rows] for arg in task.split("train"))
    guide = MeanField if name in SHARED else PerDatum
    return untrained(task.build().double(), guide, *args), args


def sandwich(name, rows, seed=0, **settings):
    """Bounds, and the exact evidence of the data simulated for them, mean over data sets."""
    result, args = first_rows(name, rows)
    asked, rowwise = Bidirectional(**settings), result.latents.rowwise
    with isolated(seed=seed), torch.no_grad():
        (density,) = densities(result.program.eval(), args, asked.chains)
        up, down, data = asked.run(density)
        made = data["y" if name in SHARED else "x"]
        sets = [(*args[:-1], one.reshape(args[-1].shape)) for one in made]
        exact = torch.stack([result.model.log_evidence(*one).mean() for one in sets])
    assert up.shape == down.shape == (asked.chains, rows if rowwise else asked.datasets)
    return asked.bounds(up, down, rowwise=rowwise), exact.mean().item()


def assert_between(found, exact):
    lower, upper, gap = (found[f"bdmc_{end}"] for end in ("lower", "upper", "gap"))
    assert lower.value - ERRORS * lower.se <= exact <= upper.value + ERRORS * upper.se
    assert gap.value > -ERRORS * gap.se


@pytest.mark.thin(6)
@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_sandwich_holds_the_exact_evidence(name):
    assert_between(*sandwich(name, ROWS, chains=8, temperatures=30, leapfrogs=4))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_sandwich_closes(name):
    """More temperatures: it still holds the truth, and is narrow."""
    found, exact = sandwich(name, ROWS, seed=1, chains=16, temperatures=200, leapfrogs=8)
    assert_between(found, exact)
    assert found["bdmc_gap"].value < 0.5


@pytest.mark.thin(2)
@pytest.mark.parametrize(
    "asked",
    [
        AnnealedImportance(chains=32, temperatures=60, leapfrogs=4),
        TemperedSMC(particles=64, runs=8, leapfrogs=4),
    ],
)
def test_a_strongly_correlated_function(asked):
    """Values of a smooth function: steps on each by itself never leave the prior's draw."""
    result, args = first_rows("gp_regression", ROWS)
    (found,) = zoo.evaluate(result, metrics=[asked]).values()
    assert near(found, result.model.log_evidence(*args).item())
    assert found.se < 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "asked",
    [AnnealedImportance(chains=32, temperatures=400), TemperedSMC(particles=256, runs=8)],
)
def test_all_of_the_function(asked, seed):
    result, args = first_rows("gp_regression", None)
    (found,) = zoo.evaluate(result, metrics=[asked], seed=seed).values()
    assert near(found, result.model.log_evidence(*args).item())
    assert found.se < 0.2


# The scale of a move


def test_the_scale_is_the_covariance_within_data_sets():
    root = torch.randn(3, 3).tril()
    u = torch.randn(2, 50, 1, 3) @ root.mT + 100 * torch.arange(2.0)[:, None, None, None]
    scale = spread_of(u.flatten(0, 1), datasets=2)[0]
    within = sum(torch.cov(part.squeeze(1).mT) for part in u) / 2
    torch.testing.assert_close(scale @ scale.mT, within, rtol=IDENTITY, atol=IDENTITY)
    torch.testing.assert_close(scale, scale.tril())


@pytest.mark.parametrize(("chains", "rows", "size"), [(16, 1, 9), (50, 2, 3), (50, 1, 1)])
def test_few_chains_and_many_rows_have_standard_deviations(chains, rows, size):
    u = torch.randn(chains, rows, size)
    torch.testing.assert_close(spread_of(u), u.std(0), rtol=IDENTITY, atol=IDENTITY)


def test_moves_stretch_by_the_factor_and_pull_back_by_its_transpose():
    scale, v, w = torch.randn(2, 3, 3), torch.randn(5, 2, 3), torch.randn(5, 2, 3)
    dense = Stride(torch.ones(2), scale, 1)
    assert torch.allclose(dense.stretched(v)[1, 0], scale[0] @ v[1, 0], rtol=IDENTITY)
    torch.testing.assert_close((dense.stretched(v) * w).sum(-1), (v * dense.pulled(w)).sum(-1))
    plain = Stride(torch.ones(2), scale[:, 0], 1)
    torch.testing.assert_close(plain.stretched(v), plain.pulled(v))


def test_a_pilot_has_chains_for_the_covariance():
    result, args = first_rows("gp_regression", ROWS)
    (density,) = densities(result.program.eval(), args, 2)
    assert pilot_chains(density) == 4 * ROWS < LARGEST_COVARIANCE
    result, args = first_rows("ppca", ROWS)
    (density,) = densities(result.program.eval(), args, 2)
    assert pilot_chains(density) == 16
