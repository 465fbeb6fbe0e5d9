"""Annealed importance sampling, its moves and bidirectional bounds against exact evidence."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import best_diagonal_guide, causes_task, fitted_ppca_task

import zoo
from guides import Empty, FullRank, MeanField
from zoo.evidence import AnnealedImportance, Bidirectional, StreamedBound
from zoo.evidence.ais import anneal, pilot, sigmoid_schedule
from zoo.evidence.annealing_path import Slopes
from zoo.evidence.hmc import TARGET_ACCEPTANCE, Stride, move
from zoo.sampling.importance_weights import log_mean_weights

IDENTITY = 1e-8


def untrained(task, guide, *args, **settings):
    return zoo.fit(task, guide, *args, steps=1, lr=1e-30, **settings)


@pytest.fixture(scope="module")
def ppca():
    torch.manual_seed(0)
    task = fitted_ppca_task()
    return untrained(task, best_diagonal_guide(task))


def truth_of(result):
    with torch.no_grad():
        return result.model.log_evidence(*result.task.split("test")).mean().item()


def near(metric, truth):
    return abs(metric.value - truth) < 5 * metric.se


def two_normals(u):
    """From N(0, 1) to 3 times N(2, 0.5), in two dimensions."""
    target = dist.Normal(2.0, 0.5).log_prob(u).sum(-1) + math.log(3.0)
    return dist.Normal(0.0, 1.0).log_prob(u).sum(-1), target


def tempered_normal(beta):
    """Mean and standard deviation of (1 - beta) N(0, 1) + beta N(2, 0.5) in the log."""
    precision = (1 - beta) + 4 * beta
    return 8 * beta / precision, precision**-0.5


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_a_move_leaves_the_tempered_density_alone(beta):
    mean, sd = tempered_normal(beta)
    slopes, chains = Slopes(two_normals), 20_000
    u = mean + sd * torch.randn(chains, 1, 2)
    stride = Stride(torch.full((1,), 0.9), torch.full((1, 2), sd), 3)
    point, chance = move(slopes, slopes.look(u), torch.tensor(beta), stride)
    assert 0.3 < chance.mean() < 0.999
    assert (point.u - u).abs().mean() > 0.1
    count = 2 * chains
    assert abs(point.u.mean() - mean) < 5 * sd / count**0.5
    assert abs(point.u.var() - sd**2) < 5 * sd**2 * (2 / count) ** 0.5
    torch.testing.assert_close(point.target, two_normals(point.u)[1])


def test_a_point_of_no_density_is_refused():
    def half(u):
        value = dist.Normal(0.0, 1.0).log_prob(u).sum(-1)
        return value, torch.where(u[..., 0] > 0, value, -torch.inf)

    slopes, u = Slopes(half), torch.rand(500, 1, 1) + 0.01
    point = slopes.look(u)
    for _ in range(5):
        stride = Stride(torch.ones(1), torch.ones(1, 1), 2)
        point, chance = move(slopes, point, torch.tensor(1.0), stride)
    assert (point.u > 0).all()
    assert chance.isfinite().all()
    assert (chance == 0).any()


def test_the_schedule():
    betas = sigmoid_schedule(10)
    assert (betas[0], betas[-1], len(betas)) == (0.0, 1.0, 11)
    assert betas == sorted(betas)
    assert betas[5] == pytest.approx(0.5, rel=IDENTITY)
    assert betas[1] < 0.1 / 2


def test_weights_have_the_mean_that_they_must_both_ways():
    slopes, betas = Slopes(two_normals), sigmoid_schedule(10)
    strides = pilot(slopes, torch.randn(16, 1, 2), betas, 3)
    up = anneal(slopes, torch.randn(4000, 1, 2), betas, strides)
    down = anneal(slopes, 2 + 0.5 * torch.randn(4000, 1, 2), betas[::-1], strides[::-1])
    for log_w, mean in ((up.log_w, 3.0), (down.log_w, 1 / 3)):
        w = log_w.exp()
        assert abs(w.mean() - mean) < 5 * w.std() / 4000**0.5
    assert up.log_w.mean() < math.log(3.0) < -down.log_w.mean()


def test_the_pilot_finds_steps_that_pass():
    slopes, betas = Slopes(two_normals), sigmoid_schedule(100)
    strides = pilot(slopes, torch.randn(64, 1, 2), betas, 4)
    found = anneal(slopes, torch.randn(500, 1, 2), betas, strides)
    assert abs(found.accepted.item() - TARGET_ACCEPTANCE) < 0.15


def test_ais_finds_the_evidence_of_each_row(ppca):
    truth, errors = truth_of(ppca), []
    for temperatures in (5, 50):
        asked = AnnealedImportance(temperatures=temperatures, leapfrogs=4)
        found = zoo.evaluate(ppca, metrics=[asked])["ais"]
        assert found.unit == "nats/row"
        errors.append((abs(found.value - truth), found.se))
    assert errors[1][0] < 5 * errors[1][1]
    assert errors[1][0] < errors[0][0]
    assert errors[1][1] < errors[0][1]


def test_ais_from_the_guide_gets_there_sooner(ppca):
    asked = [
        AnnealedImportance(chains=64, temperatures=10, leapfrogs=4, start=s)
        for s in ("prior", "guide")
    ]
    prior, guide = (next(iter(zoo.evaluate(ppca, metrics=[one]).values())) for one in asked)
    assert near(guide, truth_of(ppca))
    assert guide.se < prior.se


@pytest.mark.thorough
def test_rows_in_chunks_are_the_rows(ppca, monkeypatch):
    asked = AnnealedImportance(chains=8, temperatures=20, leapfrogs=2)
    monkeypatch.setattr("zoo.evidence.estimator.MOST_CHAINS_AT_ONCE", 8 * 11)
    assert near(zoo.evaluate(ppca, metrics=[asked])["ais"], truth_of(ppca))


@pytest.mark.parametrize("name", ["ais", "smc"])
def test_what_can_be_summed_out_needs_no_chains(name):
    result = untrained(causes_task(), Empty, objective="enumerate")
    found = zoo.evaluate(result, metrics=[name])[name]
    assert found.value == pytest.approx(truth_of(result), rel=IDENTITY)
    assert found.se < 1e-6


def conjugate(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


@pytest.mark.thin(2)
@pytest.mark.parametrize("start", ["prior", "guide"])
def test_a_users_own_model(start):
    x = torch.randn(12) + 1
    result = zoo.fit(conjugate, FullRank, x, steps=100, lr=0.02)
    asked = AnnealedImportance(temperatures=30, leapfrogs=4, start=start)
    (found,) = zoo.evaluate(result, metrics=[asked], seed=1).values()
    truth = dist.MultivariateNormal(torch.zeros(12), torch.eye(12) + 4.0).log_prob(x).item()
    assert found.unit == "nats"
    assert near(found, truth)


def test_ais_on_eight_schools():
    result = untrained(zoo.load("eight_schools_noncentred"), MeanField)
    asked = AnnealedImportance(temperatures=30, chains=64, leapfrogs=4)
    found = zoo.evaluate(result, metrics=[asked, "exact_log_evidence"])
    assert near(found["ais"], found["exact_log_evidence"].value)


def test_the_sandwich_holds_the_truth(ppca, monkeypatch):
    asked, seen = Bidirectional(chains=16, temperatures=40, leapfrogs=4), []
    simulate = zoo.sampling.joint_density.JointDensity.simulate

    def kept(self, count):
        u, data = simulate(self, count)
        seen.append(data)
        return u, data

    monkeypatch.setattr(zoo.sampling.joint_density.JointDensity, "simulate", kept)
    found = zoo.evaluate(ppca, metrics=[asked])
    with torch.no_grad():
        truth = ppca.model.log_evidence(seen[0]["x"][0]).mean().item()
    lower, upper, gap = (found[f"bdmc_{end}"] for end in ("lower", "upper", "gap"))
    assert lower.value - 5 * lower.se < truth < upper.value + 5 * upper.se
    assert gap.value == pytest.approx(upper.value - lower.value, rel=IDENTITY)
    assert gap.value > -5 * gap.se


def test_the_sandwich_of_shared_latents():
    result = untrained(conjugate, MeanField, torch.randn(6))
    found = zoo.evaluate(result, metrics=[Bidirectional(temperatures=40, leapfrogs=4)])
    assert found["bdmc_gap"].unit == "nats"
    assert abs(found["bdmc_gap"].value) < 1
    assert found["bdmc_lower"].value < found["bdmc_upper"].value + 5 * found["bdmc_gap"].se
    assert "8 data sets simulated" in found["bdmc_gap"].note


def test_a_streamed_bound_is_the_bound(ppca):
    found = zoo.evaluate(ppca, metrics=["iwae_10", StreamedBound(20, groups=20), "iwae_2000"])
    values = [found[name] for name in ("iwae_10", "iwae_20", "iwae_2000")]
    truth = truth_of(ppca)
    for low, high in zip(values, values[1:], strict=False):
        assert low.value < high.value
    assert values[-1].value - 5 * values[-1].se < truth
    elbo = zoo.evaluate(ppca, metrics=["elbo", StreamedBound(1, groups=500)])
    error = math.hypot(elbo["elbo"].se, elbo["iwae_1"].se)
    assert abs(elbo["elbo"].value - elbo["iwae_1"].value) < 5 * error


@pytest.mark.parametrize("budget", [64, 2**14])
def test_a_stream_adds_up_to_the_sum(budget, ppca, monkeypatch):
    widths = []
    draw = zoo.sampling.importance_weights._weights

    def seen(pair, args, kwargs, count, total):
        widths.append(draw(pair, args, kwargs, count, total))
        return widths[-1]

    monkeypatch.setattr(zoo.sampling.importance_weights, "MOST_WEIGHTS_AT_ONCE", budget)
    monkeypatch.setattr(zoo.sampling.importance_weights, "_weights", seen)
    (means,) = log_mean_weights(ppca.program, ppca.task.split("test"), 50, 2)
    whole = torch.cat(widths).reshape(2, 50, -1)
    torch.testing.assert_close(means, whole.logsumexp(1) - math.log(50), rtol=1e-8, atol=1e-8)
    assert max(part.numel() for part in widths) <= max(budget, 30 * 50)


def test_what_cannot_be_computed_is_skipped_with_the_reason():
    def coin(x):
        z = pyro.sample("z", dist.Poisson(2.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x):
        rate = pyro.param("rate", torch.tensor(2.0))
        pyro.sample("z", dist.Poisson(rate))

    result = untrained(coin, guide, torch.zeros(()), objective="trace_graph")
    found = zoo.evaluate(result, metrics=["elbo", "ais", "bdmc"])
    assert "'z' has infinitely many values" in found.skipped["ais"]
    assert set(found.skipped) == {"ais", "bdmc_lower", "bdmc_upper", "bdmc_gap"}
    assert list(found) == ["elbo"]


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        (["iwae_0"], "No metric named 'iwae_0'.* and iwae_K for any K"),
        (["ais", AnnealedImportance(temperatures=9)], "Two metrics named 'ais'"),
    ],
)
def test_what_makes_no_sense(metrics, sentence, ppca):
    with pytest.raises(ValueError, match=sentence):
        zoo.evaluate(ppca, metrics=metrics)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: AnnealedImportance(chains=1), "chains to be a whole number of at least 2; got 1"),
        (lambda: AnnealedImportance(start="q"), "one of 'prior', 'guide'; got 'q'"),
        (lambda: Bidirectional(datasets=0), "datasets to be a whole number of at least 2; got 0"),
        (lambda: StreamedBound(0), "particles to be a whole number above 0; got 0"),
        (lambda: StreamedBound(5, groups=1), "groups to be a whole number of at least 2; got 1"),
    ],
)
def test_settings_that_make_no_sense(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()


def test_a_path_is_traced_and_what_cannot_be_traced_still_runs():
    u, beta = torch.randn(5, 1, 2), torch.tensor(0.4)

    def plain_normals(u):
        target = dist.Normal(2.0, 0.5, validate_args=False).log_prob(u).sum(-1)
        return dist.Normal(0.0, 1.0, validate_args=False).log_prob(u).sum(-1), target

    def untraceable(u):
        base, target = plain_normals(u)
        return base, target * float(u.detach().sum())  # a number that a trace would freeze

    for ends, is_plain in ((plain_normals, False), (untraceable, True)):
        slopes = Slopes(ends)
        point, gradient = slopes(u, beta)
        (used,) = slopes._traced.values()
        assert (used == slopes.plain) is is_plain
        base, target, expected = slopes.plain(u, beta)
        for found, exact in ((point.base, base), (point.target, target), (gradient, expected)):
            torch.testing.assert_close(found, exact, rtol=0, atol=IDENTITY)
