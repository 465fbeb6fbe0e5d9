"""How far a guide's moments are from better draws: against closed forms, and on whole fits."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceEnum_ELBO, config_enumerate
from pyro.infer.autoguide import AutoDelta

import zoo
from guides import AmortisedDiscrete, AmortisedNormal, Empty, FullRank, MeanField
from zoo.evaluation.groups import moments
from zoo.isolation import isolated
from zoo.metrics.moment_shift import ALL_DISCRETE, constant, largest, psis_shifts, run_shifts
from zoo.sampling.joint_density import JointDensity

IDENTITY = 1e-8
ERRORS = 5


def weighted_normals(draws, mean=0.0, sd=1.0, rows=1):
    """Draws from N(mean, sd^2), and weights towards N(0, 1)."""
    q = dist.Normal(mean, sd)
    z = q.sample((draws, rows, 1))
    return z, (dist.Normal(0.0, 1.0).log_prob(z) - q.log_prob(z))[..., 0]


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (0.5, 1.2), (-0.3, 1.5), (0.2, 0.9)])
def test_smoothed_weights_find_the_shift(mean, sd):
    found = psis_shifts(*weighted_normals(20_000, mean, sd))
    assert abs(found.mean.item() - mean) < ERRORS * found.mean_error.item() + IDENTITY
    assert abs(found.sd.item() - (sd - 1)) < ERRORS * found.sd_error.item() + IDENTITY


def test_the_errors_of_the_shifts_are_honest():
    found = psis_shifts(*weighted_normals(2000, 0.3, 1.2, rows=200))
    for value, error, truth in (
        (found.mean, found.mean_error, 0.3),
        (found.sd, found.sd_error, 0.2),
    ):
        scores = (value - truth) / error
        assert 0.8 < scores.std() < 1.3
        assert scores.mean().abs() < 0.5


def test_runs_count_by_their_evidence():
    z = torch.randn(5000, 1, 2)
    runs = torch.randn(8, 400, 1, 2)
    runs[0] += 50.0  # a run that ended elsewhere, at e^-30 of the evidence
    log_z = torch.zeros(8, 1)
    log_z[0] = -30.0
    found = run_shifts(z, runs, log_z)
    assert (found.mean.abs() < ERRORS * found.mean_error).all()
    assert (found.sd.abs() < ERRORS * found.sd_error).all()
    found = run_shifts(z + 0.5, runs, log_z)
    assert (found.mean - 0.5).abs().max() < ERRORS * found.mean_error.max()


def test_runs_that_disagree_have_large_errors():
    z = torch.randn(5000, 1, 1)
    runs = torch.randn(8, 400, 1, 1) + torch.linspace(-2, 2, 8)[:, None, None, None]
    found = run_shifts(z, runs, torch.zeros(8, 1))
    assert found.mean_error > 0.1


def test_the_largest_shift_of_a_row_skips_what_does_not_vary():
    value = torch.tensor([[0.1, -0.4, torch.nan], [torch.nan] * 3])
    error = torch.tensor([[0.01, 0.02, 0.03], [0.0] * 3])
    size, noise = largest(value, error)
    assert size[0] == pytest.approx(0.4)
    assert noise[0] == pytest.approx(0.02)
    assert size[1].isnan()


def test_a_point_is_constant_up_to_rounding():
    z = torch.full((50, 1, 2), 0.3)
    z[::2] += 1e-12
    z[:, :, 1] = torch.randn(50, 1)
    assert constant(z).tolist() == [[True, False]]


def normal_mean(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def two_modes(x):
    z = pyro.sample("z", dist.Normal(0.0, 3.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z**2 / 2 + 0.05 * z, 1.0), obs=x)


def positive(x):
    rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Poisson(rate), obs=x)


def loop(x):
    """It does not broadcast over particles."""
    mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    for i in range(len(x)):
        pyro.sample(f"x_{i}", dist.Normal(mean.reshape(()), 1.0), obs=x[i])


@pytest.fixture(scope="module")
def healthy():
    torch.manual_seed(0)
    return zoo.fit(normal_mean, FullRank, torch.randn(10), steps=600, lr=0.03, compile=False)


@pytest.mark.thorough
def test_a_healthy_fit_is_moved_by_nothing(healthy):
    found = zoo.evaluate(healthy, metrics=["psis", "from_prior", "weights"])
    assert found.draws == 10_000
    for name in ("psis_mean_shift", "psis_sd_shift", "smc_mean_shift", "smc_sd_shift"):
        assert found[name].value < 0.15
        assert found[name].se < 0.05
    assert abs(found["smc_excess"].value) < ERRORS * found["smc_excess"].se
    assert found.answers.draws.answer == "yes"
    assert found.answers.weights.answer == "yes"


@pytest.mark.thorough
def test_a_missed_mode_is_found_from_the_prior_only():
    torch.manual_seed(0)
    fit = zoo.fit(two_modes, FullRank, torch.randn(5) + 4, steps=600, lr=0.03, compile=False)
    found = zoo.evaluate(fit, metrics=["psis", "weights", "from_prior"])
    assert found.answers.weights.answer == "no"
    assert found["psis_mean_shift"].value < 0.2
    assert found["smc_mean_shift"].value > 0.5
    assert found["smc_excess"].value > ERRORS * found["smc_excess"].se
    assert found.answers.draws.answer == "no"
    alone = zoo.evaluate(fit, metrics=["psis", "weights"]).answers
    assert alone.weights.answer == "yes"
    own = alone.draws
    assert own.answer == "no" or own.reason.endswith("as far as the guide's own draws can see")


def test_a_guide_that_was_moved_is_told_by_how_much(healthy):
    x = healthy.task.split("train")
    moved = zoo.fit(normal_mean, healthy.guide, *x, steps=1, lr=1e-30, compile=False)
    with torch.no_grad():
        moved.guide.loc += 0.5 / (10.25**0.5)  # half a posterior sd
    found = zoo.evaluate(moved, metrics=["psis", "from_prior", "weights"])
    assert abs(found["smc_mean_shift"].value - 0.5) < 0.2
    assert abs(found["psis_mean_shift"].value - 0.5) < 0.2
    assert found.answers.draws.answer == "no"


def test_a_point_mass_is_no_posterior():
    fit = zoo.fit(normal_mean, AutoDelta, torch.randn(5), steps=1, compile=False)
    found = zoo.evaluate(fit, metrics=["psis", "from_prior", "weights"])
    assert "at a point" in found.skipped["psis_mean_shift"]
    assert found["smc_sd_shift"].value == pytest.approx(1.0)
    assert "smc_excess" in found.skipped
    assert found.answers.draws.answer == "no"


def test_values_are_in_the_models_own_space():
    fit = zoo.fit(positive, MeanField, torch.tensor([1.0, 2.0]), steps=1, compile=False)
    density = JointDensity(fit.program, fit.task.split("train"))
    u = torch.randn(7, 1, 1)
    with isolated(seed=0):
        found = density.values(u)
    torch.testing.assert_close(found["rate"].reshape(-1), u.exp().reshape(-1))


@pytest.mark.parametrize(
    ("model", "x", "reason"),
    [
        (loop, torch.randn(3), "the model does not broadcast over particles"),
        (normal_mean, torch.randn(5000), "5000 values of data take long; ask for 'smc' or 'ais'"),
    ],
)
def test_what_would_take_long_is_left_out_with_the_reason(model, x, reason):
    fit = zoo.fit(model, MeanField, x, steps=1, compile=False)
    found = zoo.evaluate(fit, metrics=["from_prior"], draws=20)
    assert reason in found.skipped["smc_mean_shift"]


def test_too_many_numbers_are_left_to_slower_metrics(monkeypatch, healthy):
    monkeypatch.setattr(moments, "MOST_DIMENSIONS", 0)
    found = zoo.evaluate(healthy, metrics=["from_prior"], draws=20)
    assert "numbers to move; got 1" in found.skipped["smc_mean_shift"]


def test_rows_have_a_share_that_is_off():
    task = zoo.load("ppca")
    fit = zoo.fit(task, AmortisedNormal, steps=2, compile=False)
    found = zoo.evaluate(fit, metrics=["psis", "k_hat"], draws=300)
    assert found["psis_off_share"].value - 2 * found["psis_off_share"].se > 0.1
    assert found.answers.draws.answer == "no"
    assert "first 50 rows" in found["psis_mean_shift"].note


def clouds(x):
    """Batches come from one of two places; where these are is a number that all share."""
    m = pyro.sample("m", dist.Normal(5.0, 5.0))
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(torch.tensor([0.3, 0.7])))
        pyro.sample("x", dist.Normal(m + torch.tensor([-5.0, 5.0])[k], 1.0), obs=x)


def normal_of_clouds(x):
    mean = pyro.param("mean", torch.tensor(6.4))
    pyro.sample("m", dist.Normal(mean, 0.5))


X = torch.tensor([0.0, 1.0, 10.0, 11.0, 12.0])


def moments_of_clouds():
    """By the trapezoidal rule, which is exact here to rounding."""
    m = torch.linspace(-30, 40, 100_001)
    places = m[:, None, None] + torch.tensor([-5.0, 5.0])
    each = dist.Normal(places, 1.0).log_prob(X[:, None]) + torch.tensor([0.3, 0.7]).log()
    w = (each.logsumexp(-1).sum(-1) + dist.Normal(5.0, 5.0).log_prob(m)).softmax(0)
    mean = (w * m).sum()
    return mean.item(), (w * (m - mean).square()).sum().sqrt().item()


def marked_clouds(x):
    return config_enumerate(clouds)(x)


def fitted_clouds(model, objective):
    settings = {"objective": objective, "steps": 1, "lr": 1e-30, "compile": False}
    return zoo.fit(model, normal_of_clouds, X, **settings)


def check_shifts(found, name):
    mean, sd = moments_of_clouds()
    shift, spread = found[f"{name}_mean_shift"], found[f"{name}_sd_shift"]
    assert abs(shift.value - abs(6.4 - mean) / sd) < ERRORS * shift.se
    assert abs(spread.value - abs(0.5 / sd - 1)) < ERRORS * spread.se


@pytest.mark.parametrize(
    ("model", "objective"),
    [(clouds, "enumerate"), (marked_clouds, TraceEnum_ELBO(max_plate_nesting=1))],
)
def test_a_guide_that_leaves_labels_to_the_sum_has_shifts(model, objective):
    found = zoo.evaluate(fitted_clouds(model, objective), metrics=["psis"], draws=500)
    check_shifts(found, "psis")
    assert not found.trains_model


@pytest.mark.slow  # particles over all states of the labels
def test_particles_sum_the_labels_too():
    found = zoo.evaluate(fitted_clouds(clouds, "enumerate"), metrics=["from_prior"], draws=500)
    check_shifts(found, "smc")
    assert abs(found["smc_excess"].value) < ERRORS * found["smc_excess"].se


def test_a_guide_that_draws_nothing_has_no_shifts():
    fit = zoo.fit(zoo.load("gaussian_mixture"), Empty, objective="enumerate", steps=2)
    found = zoo.evaluate(fit, metrics=["weights", "psis"])
    assert found.skipped["psis_mean_shift"] == "the guide draws nothing"
    assert "the guide draws nothing" in found.answers.draws.reason
    assert "psis" not in found.answers.draws.ask
    assert found.trains_model


def test_a_model_that_is_held_is_not_trained():
    settings = {"objective": "enumerate", "steps": 2, "compile": False}
    held = zoo.fit(zoo.load("gaussian_mixture"), AmortisedDiscrete, freeze_model=True, **settings)
    found = zoo.evaluate(held, metrics=["weights", "psis"])
    assert not found.trains_model
    assert found.skipped["psis_mean_shift"] == ALL_DISCRETE


def test_numbers_that_are_the_same_in_every_draw_are_left_out():
    """As the upper left 1 of every Cholesky factor of a correlation matrix."""
    z, log_w = weighted_normals(2000, 0.3)
    fixed = torch.ones_like(z) + 1e-8 * torch.randn_like(z)
    runs = torch.randn(8, 400, 1, 1)
    both = psis_shifts(torch.cat([z, fixed], -1), log_w)
    alone = psis_shifts(z, log_w)
    among = run_shifts(
        torch.cat([z, fixed], -1), torch.cat([runs, 1 + 0 * runs], -1), torch.zeros(8, 1)
    )
    for shifts in (both, among):
        assert all(value[0, 1].isnan() for value in shifts)
    assert all(torch.allclose(one[:, :1], other) for one, other in zip(both, alone, strict=True))


def correlated(y):
    factor = pyro.sample("factor", dist.LKJCholesky(2, torch.tensor(2.0)))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.MultivariateNormal(torch.zeros(2), scale_tril=factor), obs=y)


def test_a_right_fit_of_a_correlation_is_trusted():
    fit = zoo.fit(correlated, "full_rank", torch.randn(40, 2), compile=False)
    assert (
        zoo.evaluate(fit, metrics=["weights", "psis", "from_prior"]).answers.draws.answer == "yes"
    )
