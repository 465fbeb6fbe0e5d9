"""`zoo.gradients` against the exact gradient: what is unbiased passes, what is biased is found."""

from functools import partial

import pytest
import torch
from cases import ERRORS, IDENTITY
from small_tasks import causes_task, ppca_task
from test_bias import SEEDS, uniform

import zoo
from guides import (
    AmortisedDiscrete,
    AmortisedIAF,
    AmortisedNormal,
    MeanField,
    Relaxed,
)
from zoo.gradients.bias import bias
from zoo.gradients.experiment import Experiment
from zoo.gradients.fixed_program import parameters_of
from zoo.gradients.moments import moments
from zoo.gradients.sampler import gradient_draws
from zoo.gradients.trajectory import Trajectory
from zoo.isolation import in_double, isolated
from zoo.objectives import (
    CIWAE,
    IWAE,
    OBJECTIVES,
    PIWAE,
    VIMCO,
    Enumerate,
    ForwardKL,
    LeaveOneOut,
    MeanFieldKL,
    Renyi,
    ReweightedWakeSleep,
    Trace,
    VRMax,
)

UNBIASED = ("reinforce", "rloo", "disarm", "relax", "nvil", IWAE(2), VIMCO(3), Renyi(2), VRMax(2))
RELAXED = zoo.Estimator("relaxed", MeanFieldKL(), Relaxed)


def measure(objectives, **settings):
    chosen = {"at": "initial", "draws": 2048, "tune": 20, "steps": 4} | settings
    return zoo.measure_gradients(causes_task(), AmortisedDiscrete, objectives, **chosen)


def an_experiment(seed=0, draws=1024):
    """At parameters moved off the first ones, so that no gradient vanishes by symmetry."""
    task = causes_task()
    trajectory = Trajectory(task, AmortisedDiscrete, LeaveOneOut(), 40, 0.05, seed, "cpu")
    args = task.split("train")
    values = trajectory.parameters("trained")
    return Experiment(task, AmortisedDiscrete, args, "trained", values, draws, 20, seed)


@pytest.mark.thin(12)
@pytest.mark.parametrize("objective", UNBIASED, ids=str)
def test_no_bias_is_found_where_there_is_none(objective):
    (row,) = measure([objective]).rows
    assert row.bias_p_value > 1e-4
    assert row.bias_max_z_p_value > 1e-4
    assert row.bias["norm"] <= ERRORS * row.bias["se"]
    assert row.biased is False
    assert row.reference.startswith("sum over")


@pytest.mark.thin(2)
@pytest.mark.parametrize("objective", [RELAXED, ForwardKL(2)], ids=str)
def test_bias_is_found_where_there_is_some(objective):
    (row,) = measure([objective], at="trained", draws=8192, steps=100, lr=0.05).rows
    assert row.bias_p_value < 1e-6
    assert row.bias["norm"] > ERRORS * row.bias["se"]
    assert row.biased


def test_an_exact_gradient_has_neither_bias_nor_variance():
    (row,) = measure(["enumerate"]).rows
    assert (row.bias_p_value, row.bias_max_z_p_value, row.bias_max_z) == (1.0, 1.0, 0.0)
    assert row.biased is False
    assert row.bias["relative"] < IDENTITY
    assert row.variance["total"].value == 0
    assert row.evaluations == 2**3


@pytest.mark.thorough
def test_p_values_of_an_estimator_are_uniform_over_seeds():
    experiment, draws = an_experiment(), 256
    with isolated(seed=0), in_double():
        one = experiment.build(LeaveOneOut())
        exact = zoo.gradients.experiment.reference(LeaveOneOut().target, experiment.build, 0)
        found = iter(one.sampler(SEEDS * draws).split(draws // 64))
    p_values = [
        bias(moments(lambda _: next(found), draws, one.groups), exact, seed=seed).p_value
        for seed in range(SEEDS)
    ]
    assert uniform(p_values)


@pytest.mark.thorough
def test_the_variance_is_that_of_the_gradients():
    experiment = an_experiment()
    row = experiment.measure(zoo.Estimator("rloo", LeaveOneOut()), None)
    with isolated(seed=0), in_double():
        one = experiment.build(LeaveOneOut())
        draws = gradient_draws(one.program, one.rows, 4096, seed=9)
    columns = draws.layout.split(torch.arange(draws.gradients.shape[1]))
    for group, prefix in (("encoder", "guide"), ("decoder", "model"), ("total", "")):
        chosen = [part.flatten() for name, part in columns.items() if name.startswith(prefix)]
        apart = (draws.gradients - draws.gradients.mean(0))[:, torch.cat(chosen)]
        squares = apart.square().sum(1)
        error = float(squares.std()) / 4096**0.5
        claimed = row.variance[group]
        assert abs(claimed.value - squares.mean()) < ERRORS * (error**2 + claimed.se**2) ** 0.5
    total = row.variance["total"].value
    assert row.cost == pytest.approx(2 * total, rel=IDENTITY)
    assert row.cost_seconds == pytest.approx(row.seconds * total, rel=IDENTITY)


def test_all_estimators_stand_at_the_same_parameters():
    experiment = an_experiment()
    with isolated(seed=0), in_double():
        plain = experiment.build(LeaveOneOut())
        relaxed = experiment.build(Trace(), partial(Relaxed, temperature=0.3))
        tuned = experiment.build(OBJECTIVES["relax"])
        before = [p.detach().clone() for p in tuned.program.state.parameters()]
        assert tuned.tune(5) == 5
        assert plain.tune(5) == 0
    for one in (plain, relaxed, tuned):
        found = parameters_of(one.program)
        assert set(found) == set(experiment.values)
        assert all(torch.equal(found[name], experiment.values[name].double()) for name in found)
    after = list(tuned.program.state.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.thorough
def test_tuning_lowers_the_variance():
    spread = [measure(["nvil"], tune=steps).rows[0].variance["encoder"] for steps in (1, 200)]
    assert spread[0].value - spread[1].value > ERRORS * (spread[0].se + spread[1].se)


@pytest.mark.thorough
def test_places_are_before_half_way_and_after_the_fit():
    task = causes_task()
    trajectory = Trajectory(task, AmortisedDiscrete, LeaveOneOut(), 6, 0.01, 3, "cpu")
    for place, steps in (("middle", 3), ("trained", 6)):
        fit = zoo.fit(task, AmortisedDiscrete, objective="rloo", steps=steps, lr=0.01, seed=3)
        found = trajectory.parameters(place)
        assert all(torch.equal(found[n], v) for n, v in parameters_of(fit.program).items())
    with isolated(seed=3):
        first = dict(task.build().named_parameters())
    start = trajectory.parameters("initial")
    assert all(torch.equal(start[f"model.{name}"], value) for name, value in first.items())
    found = measure(["rloo"], at=["trained", "initial"], draws=128).rows
    assert [row.at for row in found] == ["trained", "initial"]


@pytest.mark.thorough
def test_temperatures_are_estimators_of_their_own():
    rows = measure(["rloo", RELAXED], temperatures=(0.1, 1.0), draws=1024).rows
    assert [(row.objective, row.temperature) for row in rows] == [
        ("rloo", None),
        ("relaxed", 0.1),
        ("relaxed", 1.0),
    ]
    cold, warm = (row.variance["encoder"] for row in rows[1:])
    assert cold.value - warm.value > ERRORS * (cold.se + warm.se)


@pytest.mark.thorough
def test_the_model_and_the_guide_may_follow_bounds_of_their_own():
    (row,) = measure([PIWAE(2, 1)]).rows
    assert row.target == "iwae, K=2 | iwae, K=1"
    assert row.bias_p_value > 1e-4
    (row,) = measure(["rws"]).rows
    assert row.target == "iwae, K=5 | no bound"
    assert row.bias_max_z_of.startswith("model.")
    assert row.bias_p_value > 1e-4
    wide = {"at": "trained", "draws": 8192, "steps": 100, "lr": 0.05}
    (row,) = measure([ReweightedWakeSleep(2)], **wide).rows
    assert row.target == "iwae, K=2 | no bound"
    assert row.bias_p_value > 1e-4
    (row,) = measure([CIWAE(2, 0.3)]).rows
    assert row.bias_p_value > 1e-4


@pytest.mark.thorough
def test_a_sum_too_long_is_a_run_with_an_error_of_its_own():
    rows = measure([IWAE(8), VIMCO(8)], draws=128, reference_draws=1024).rows
    assert all("VIMCO(particles=8" in row.reference for row in rows)
    assert all(row.bias_p_value > 1e-4 for row in rows)
    assert "1024 draws" in rows[0].reference


@pytest.mark.thorough
@pytest.mark.parametrize("guide", [AmortisedNormal, AmortisedIAF])
def test_continuous_latents_are_held_against_a_long_run(guide):
    names = ["trace", "stl", "dreg"]
    settings = {"at": "initial", "draws": 256, "reference_draws": 2048}
    found = zoo.measure_gradients(ppca_task(rows=8), guide, names, **settings)
    assert [row.biased for row in found.rows] == [False] * len(names)
    assert all("2048 draws" in row.reference for row in found.rows)
    assert not found.mismatches


@pytest.mark.thorough
def test_the_seed_fixes_everything_but_the_time():
    def numbers(seed):
        (row,) = measure(["rloo"], seed=seed, draws=128).rows
        return row.bias_p_value, row.variance, row.snr

    assert numbers(1) == numbers(1)
    assert numbers(1) != numbers(2)


def test_a_pair_that_does_not_go_together_is_reported():
    found = measure(["stl", "rloo"], draws=128)
    assert [row.objective for row in found.rows] == ["rloo"]
    assert "not reparameterised" in found.mismatches["stl"]


def test_a_relaxed_guide_needs_the_same_encoder_and_the_rest_is_measured():
    other = zoo.Estimator("other", Trace(), partial(Relaxed, body=torch.nn.Linear(6, 5)))
    found = measure([other, "rloo"], draws=128)
    assert [row.objective for row in found.rows] == ["rloo"]
    assert "Expected parameter 'guide.encoder" in found.mismatches["other"]
    assert "Give both guides the same encoder" in found.mismatches["other"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"at": "end"}, "Expected at to be one of 'initial', 'middle', 'trained'; got 'end'"),
        ({"at": ()}, "Expected at to be a list with at least one member"),
        (
            {"draws": 100},
            "at least 128; got 100. That is two for each of 64 blocks",
        ),
        ({"rows": 31}, "from 1 to 30; got 31. There are 30 rows"),
        ({"temperatures": ()}, "Expected temperatures for the relaxed guide of 'relaxed'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        measure([RELAXED], **settings)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'rloo'"):
        measure(["rlo"])


def test_every_objective_says_what_it_estimates():
    names = {name: objective.target.name for name, objective in OBJECTIVES.items()}
    multi = {name for name, target in names.items() if target != "elbo"}
    assert {"iwae", "renyi", "vimco", "dreg", "miwae", "ciwae", "piwae", "vr_max"} <= multi
    assert not {"trace", "nvil", "rloo", "disarm", "relax", "stl", "enumerate"} & multi
    assert Enumerate().target == Trace().target != IWAE(2).target
    assert IWAE(2).target == VIMCO(2).target == Renyi(2, 0.0).target


def test_what_the_guide_cannot_be_trained_by_is_refused():
    with pytest.raises(zoo.PairingError, match="MeanField covers"):
        zoo.measure_gradients(causes_task(), MeanField, ["rloo"], at="initial", draws=128)
