"""The benchmark of arrival: its data, its three ways to write a model, its scorer, its page."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from benchmarks import records
from benchmarks.arrival import fixed_draws, methods
from benchmarks.arrival.posteriors import POSTERIORS
from benchmarks.arrival.recipes import RECIPES
from benchmarks.arrival.records import Results, as_numbers, from_numbers
from benchmarks.arrival.scorer import Density, Moments, elbo, in_float64
from benchmarks.pages import arrival as pages
from zoo.normals.normal import Normal

RESULTS = Results()
SIZES = {
    "raw_regression": 5,
    "collinear_regression": 6,
    "autoregression": 4,
    "garch": 4,
    "mixture": 5,
    "schools_centred": 10,
    "schools_noncentred": 10,
    "varying_slopes": 65,
    "logistic": 51,
    "gp_regression": 3,
    "ordered_probit": 7,
    "changepoint": 2,
    "counts_by_exposure": 5,
    "robust_regression": 6,
}
SUMS = {  # of the sizes of all numbers in the data
    "raw_regression": 3660241.14,
    "collinear_regression": 3478.36013,
    "autoregression": 101022.44,
    "garch": 11283.0471,
    "mixture": 13563.2821,
    "schools_centred": 178.0,
    "schools_noncentred": 178.0,
    "varying_slopes": 92563.9313,
    "logistic": 14140.7936,
    "gp_regression": 3405.59463,
    "ordered_probit": 21697.1539,
    "changepoint": 12599.0,
    "counts_by_exposure": 3885212.06,
    "robust_regression": 31612.7915,
}


def test_there_are_fourteen_posteriors_of_the_sizes_that_they_say():
    assert list(POSTERIORS) == list(SIZES)
    with in_float64():
        found = {name: Density(posterior).size for name, posterior in POSTERIORS.items()}
    assert found == SIZES
    for name, posterior in POSTERIORS.items():
        assert f"Dimension {SIZES[name]}:" in posterior.model.__doc__


def test_the_data_are_fixed():
    for name, posterior in POSTERIORS.items():
        found = sum(np.abs(value).sum() for value in posterior.data.values())
        assert found == pytest.approx(SUMS[name], rel=1e-6), name
        assert all((x == x.astype(np.float32)).all() for x in posterior.data.values())


def test_three_models_are_written_for_one_draw_at_a_time():
    with in_float64():
        narrow = {n for n, p in POSTERIORS.items() if not Density(p).latents.vectorises}
    assert narrow == {"gp_regression", "ordered_probit", "robust_regression"}


def points(size):
    return 0.5 * torch.randn(3, size, generator=torch.Generator().manual_seed(size)).double()


def constant(differences):
    """Does another library's density differ from ours by the same number, to 1e-4 nats?"""
    return np.ptp(differences) < 1e-4


def parts_of(density, u):
    """Site -> its numbers in u, in their shape."""
    return {
        name: u[list(places)].reshape(shape).numpy()
        for name, (places, shape) in density.blocks.items()
    }


@pytest.mark.thin(4)
@pytest.mark.parametrize("name", POSTERIORS)
def test_numpyro_has_the_same_density(name):
    pytest.importorskip("numpyro")
    import jax
    from numpyro.infer.util import potential_energy

    from benchmarks.arrival.numpyro_models import model_of

    posterior = POSTERIORS[name]
    with in_float64(), jax.enable_x64(True):  # noqa: FBT003
        density = Density(posterior)
        u = points(density.size)
        args = [jax.numpy.asarray(value) for value in posterior.data.values()]
        ours = density(u).numpy()
        theirs = [
            float(potential_energy(model_of(name), args, {}, parts_of(density, one))) for one in u
        ]
    assert constant(ours + np.array(theirs)), (ours, theirs)


@pytest.mark.thorough
@pytest.mark.parametrize("name", POSTERIORS)
def test_pymc_has_the_same_density(name):
    pytest.importorskip("pymc")
    from benchmarks.arrival.pymc_models import model_of

    posterior = POSTERIORS[name]
    model = model_of(name, posterior.data)
    score = model.compile_logp()
    names = {rv.name: value.name for value, rv in model.values_to_rvs.items()}
    with in_float64():
        density = Density(posterior)
        u = points(density.size)
        theirs = [
            float(score({names[site]: x for site, x in parts_of(density, one).items()}))
            for one in u
        ]
        ours = density(u).numpy()
    assert constant(ours - np.array(theirs))


LIBRARIES = {"numpyro": methods.by_numpyro, "pymc": methods.by_pymc}


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", methods.NORMAL_FAMILIES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_rivals_numbers_are_put_in_our_order(library, family):
    """In a wrong order, its normal would be nats below what it reaches here."""
    pytest.importorskip(library)
    posterior = POSTERIORS["schools_noncentred"]
    found = LIBRARIES[library](posterior, family, 0)
    with in_float64():
        value, _ = elbo(Density(posterior), found.normal)
    assert -32.6 < value < -31.5


def gaussian(size, seed=0):
    """log p of N(m, S), which is not normalised, its normal, and its ELBO at another normal."""
    g = torch.Generator().manual_seed(seed)
    root = torch.randn(size, size, generator=g, dtype=torch.float64)
    precision = root @ root.mT + torch.eye(size, dtype=torch.float64)
    mean = torch.randn(size, generator=g, dtype=torch.float64)

    def log_p(u):
        return -0.5 * ((u - mean) @ precision * (u - mean)).sum(-1) - 3.0

    return log_p, mean, precision


def test_the_scorer_gives_the_exact_elbo_of_a_gaussian():
    log_p, mean, precision = gaussian(4)
    factor = 0.5 * torch.eye(4, dtype=torch.float64) + 0.1 * torch.ones(4, 4).tril().double()
    normal = Normal(mean + 0.3, factor)
    shift = normal.mean - mean
    entropy = 2 * (1 + math.log(2 * math.pi)) + float(factor.diagonal().log().sum())
    square = shift @ precision @ shift + (precision @ factor @ factor.mT).trace()
    value, error = elbo(log_p, normal)
    assert abs(value - (-0.5 * float(square) - 3.0 + entropy)) < 1e-9
    assert 0 < error < 0.1


class Known:
    """A Gaussian in the place of a posterior's density."""

    def __init__(self, size):
        self.mapped, self.mean, self.precision = gaussian(size)
        self.size, self.evaluations = size, 0

    def with_gradient(self, u):
        return self.mapped(u), -(u - self.mean) @ self.precision


@pytest.mark.parametrize("correlated", [True, False])
def test_polishing_comes_to_the_best_normal(correlated):
    known = Known(3)
    start = Normal(known.mean + 1, 0.3 * torch.eye(3, dtype=torch.float64))
    found = fixed_draws.polished(known, start, correlated=correlated)
    assert torch.allclose(found.mean, known.mean, atol=0.02)
    best = known.precision.inverse() if correlated else known.precision.diagonal().rsqrt().diag()
    got = found.factor @ found.factor.mT if correlated else found.factor
    assert torch.allclose(got, best, atol=0.05)


def test_dadvi_finds_the_mean_of_a_gaussian():
    known = Known(3)
    found, said = fixed_draws.dadvi(known, 0)
    assert said.success
    assert known.evaluations > 0
    sd = known.precision.diagonal().rsqrt()
    assert torch.allclose(found.factor.diagonal(), sd, rtol=0.5)


def test_the_best_normal_is_kept_and_read_again(tmp_path):
    results, posterior = Results(tmp_path), POSTERIORS["changepoint"]
    factor = torch.tensor([[0.5, 0.0], [0.1, 0.2]], dtype=torch.float64)
    normal = Normal(torch.tensor([1.0, 2.0], dtype=torch.float64), factor)
    assert results.keep_if_best(posterior, "full_rank", "zoo", normal, -3.0)
    assert not results.keep_if_best(posterior, "full_rank", "adam", normal, -4.0)
    kept, value = results.best("changepoint", "full_rank")
    assert value == -3.0
    assert torch.equal(kept.mean, normal.mean)
    assert torch.equal(kept.factor, factor)
    diagonal = Normal(normal.mean, torch.diag(factor.diagonal()))
    assert torch.equal(from_numbers(as_numbers(diagonal, "mean_field")).factor, diagonal.factor)
    assert results.best("changepoint", "mean_field") is None


def test_errors_are_the_largest_over_coordinates():
    truth = Moments(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    mean, sd = truth.errors(torch.tensor([0.1, 2.0]), torch.tensor([1.0, 1.0]))
    assert (mean, sd) == (0.5, 0.5)


def row(method, elbo, seed=0, stopped="finished", family="mean_field"):
    return {
        "posterior": "garch",
        "family": family,
        "method": method,
        "seed": seed,
        "elbo": elbo,
        "mean_error": 0.1,
        "sd_error": 0.2,
        "evaluations": 10,
        "seconds": 1.0,
        "said": {"stopped": stopped},
    }


def test_the_page_and_the_line_of_readme_are_those_of_the_results():
    record, kept = RESULTS.read("fits"), RESULTS.read("best")
    assert (records.DOCS / "arrival.md").read_text() == pages.page(record, kept)
    assert pages.line(record, kept) in (records.DOCS.parent / "README.md").read_text()


@pytest.mark.parametrize("family", ["mean_field", "full_rank"])
def test_the_default_arrives_and_never_says_so_wrongly(family):
    """On at least 12 of 14 posteriors within 0.05 nats with every seed, and never beyond 0.2."""
    rows = RESULTS.read("fits")["rows"]
    best = pages.best_known(rows, RESULTS.read("best")["best"])
    mine = pages.of(rows, method="zoo", family=family)
    assert {(row["posterior"], row["seed"]) for row in mine} == set(product(SIZES, range(5)))
    assert pages.close_on(mine, best, max) >= 12
    assert not [row for row in mine if pages.said_converged(row) and pages.short(row, best) > 0.2]


def test_recipes_whose_guide_holds_the_posterior_end_at_the_evidence():
    rows = RESULTS.read("fits")["recipes"]
    assert {(row["model"], row["seed"]) for row in rows} == set(product(RECIPES, range(5)))
    assert all(abs(row["short"]) < 0.02 + 2 * row["short_se"] for row in rows)


def test_the_page_counts_who_arrived_and_who_only_said_so():
    rows = [row("zoo", -10.0), row("zoo", -10.03, 1), row("adam", -10.3, 0, "converged")]
    rows += [row("adam", None, 1), row("zoo", -9.0, 0, family="iaf")]
    best = pages.best_known(rows, {"garch/mean_field": {"elbo": -9.99}})
    assert best == {("garch", "mean_field"): -9.99}
    table = pages.summary(rows, best)
    assert "| zoo | mean field | 2 | 1 of 1 | 1 of 1 | 0 of 2 fits | 0 | 10 | 1.000 |" in table
    assert "| adam | mean field | 2 | 0 of 1 | 0 of 1 | 1 of 2 fits | 1 | 10 | 1.000 |" in table
    made = {"date": "today", "versions": {"torch": "2"}, "rows": rows}
    text = pages.page(made, {"best": {"garch/full_rank": {"elbo": -9.5}}})
    assert "| garch | 0.015 (0.030) | failed (failed) |" in text
    assert "| garch | 0.500 | 0.500 | 0 of 1 |" in text
