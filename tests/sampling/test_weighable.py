"""What cannot be weighed is skipped with the reason: points, random densities, rounding."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer.autoguide import (
    AutoDelta,
    AutoGuideList,
    AutoIAFNormal,
    AutoLaplaceApproximation,
    AutoMultivariateNormal,
    AutoNormal,
)

import zoo
from guides import FullRank, MeanField
from zoo.isolation import isolated
from zoo.objectives import ReweightedWakeSleep
from zoo.pairing.mismatch import PairingError
from zoo.sampling.draws import draw_weighted
from zoo.sampling.importance_weights import weight_chunks

X = torch.randn(40, generator=torch.Generator().manual_seed(1)) + 1
STILL = {"steps": 1, "lr": 1e-30, "compile": False}
LOGARITHMS = ("renyi", "iwae", "dreg", "vr_max", "miwae", "ciwae", "piwae", "tvo", "vimco")
OTHERS = ("forward_kl", "tail_adaptive", ReweightedWakeSleep(sleep=0.0))
MEANS = ("trace", "reinforce", "rloo", "stl")


def location(x):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("obs", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def parts_of_it(x):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("obs", len(x), subsample_size=5) as i:
        pyro.sample("x", dist.Normal(z, 1.0), obs=x[i])


def evidence(x):
    size = len(x)
    return dist.MultivariateNormal(torch.zeros(size), torch.eye(size) + 1).log_prob(x).item()


def exact(x):
    """The exact posterior of `location`."""
    sd = pyro.param("sd", torch.tensor((len(x) + 1) ** -0.5))
    pyro.sample("z", dist.Normal(x.sum() / (len(x) + 1), sd))


def shared_scale(x):
    w = pyro.sample("w", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    s = pyro.sample("s", dist.LogNormal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(w.sum(), s), obs=x)


# Densities that are estimated from a part of their terms


def test_a_bound_of_parts_is_unbiased_and_its_error_counts_them():
    fit = zoo.fit(parts_of_it, exact, X, **STILL)
    found = [zoo.evaluate(fit, metrics=["elbo"], draws=200, seed=s)["elbo"] for s in range(8)]
    values = torch.tensor([one.value for one in found])
    errors = torch.tensor([one.se for one in found])
    assert abs(values.mean() - evidence(X)) < 5 * values.std() / 8**0.5
    assert 0.5 < values.std() / errors.mean() < 1.7
    assert "another subsample of plate 'obs'" in found[0].note


@pytest.mark.thorough
def test_weights_of_parts_are_skipped_with_a_way_out():
    asked = ["weights", "elpd_loo", "predictive_p"]
    found = zoo.evaluate(zoo.fit(parts_of_it, exact, X, **STILL), metrics=asked)
    for name in ("iwae_10", "log_evidence", "ess", "k_hat", "elpd_loo", "predictive_p"):
        assert "no subsample_size" in found.skipped[name]
    whole = zoo.evaluate(zoo.fit(location, exact, X, **STILL), metrics="weights")
    assert whole["log_evidence"].value == pytest.approx(evidence(X))
    with pytest.raises(ValueError, match="a part of plate 'obs'"), isolated(seed=0):
        next(weight_chunks(zoo.fit(parts_of_it, exact, X, **STILL).program.eval(), (X,), 10))


COLUMNS, PART = 20, 5


def columns(part):
    def model(x):
        with pyro.plate("data", len(x), dim=-1):
            z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
            with pyro.plate("cols", COLUMNS, subsample_size=part, dim=-2) as i:
                pyro.sample("x", dist.Normal(z, 1.0), obs=x[:, i].T)

    return model


def of_columns(x):
    sd = pyro.param("sd", torch.tensor((COLUMNS + 1) ** -0.5))
    with pyro.plate("data", len(x), dim=-1):
        pyro.sample("z", dist.Normal(x.sum(1) / (COLUMNS + 1), sd))


def table():
    x = torch.randn(30, 1) + torch.randn(30, COLUMNS)
    truth = dist.MultivariateNormal(torch.zeros(COLUMNS), torch.eye(COLUMNS) + 1).log_prob(x)
    return x, truth.mean().item()


@pytest.mark.thin(4)
@pytest.mark.parametrize("objective", MEANS)
def test_columns_within_rows_count_as_often_as_there_are(objective):
    x, truth = table()
    fit = zoo.fit(
        columns(PART), of_columns, x, objective=objective, steps=400, lr=1e-30, compile=False
    )
    losses = -fit.losses / len(x)
    assert abs(losses.mean() - truth) < 5 * losses.std() / 400**0.5


@pytest.mark.parametrize("objective", LOGARITHMS + OTHERS)
def test_logarithms_of_means_refuse_random_weights(objective):
    x, _ = table()
    with pytest.raises(PairingError, match="plate 'cols', of which the model draws a part"):
        zoo.fit(columns(PART), of_columns, x, objective=objective, **STILL)


@pytest.mark.thorough
def test_the_error_of_columns_is_that_of_all_rows_together():
    x, truth = table()
    whole = zoo.evaluate(zoo.fit(columns(COLUMNS), of_columns, x, **STILL), metrics="weights")
    assert whole["log_evidence"].value == pytest.approx(truth, rel=1e-8)
    part = zoo.fit(columns(PART), of_columns, x, **STILL)
    found = [zoo.evaluate(part, metrics=["elbo"], draws=200, seed=s)["elbo"] for s in range(8)]
    values = torch.tensor([one.value for one in found])
    assert abs(values.mean() - truth) < 5 * values.std() / 8**0.5
    assert 0.5 < values.std() / torch.tensor([one.se for one in found]).mean() < 1.7


# Guides without a density


def half_a_point(model):
    guide = AutoGuideList(model)
    guide.append(AutoDelta(poutine.block(model, expose=["w"])))
    guide.append(AutoNormal(poutine.block(model, expose=["s"])))
    return guide


@pytest.mark.parametrize("build", [AutoDelta, AutoLaplaceApproximation, half_a_point])
def test_a_point_has_no_density(build):
    fit = zoo.fit(shared_scale, build(shared_scale), X, steps=3, compile=False)
    found = zoo.evaluate(fit, metrics=["weights", "elpd_loo"])
    for name in ("elbo", "iwae_10", "log_evidence", "ess", "k_hat", "elpd_loo"):
        assert "at a point, which has no density" in found.skipped[name]
    with pytest.raises(ValueError, match="AutoMultivariateNormal"), isolated(seed=0):
        draw_weighted(fit.program.eval(), (X,), 10)


@pytest.mark.thin(3)
@pytest.mark.parametrize("guide", [AutoNormal, AutoMultivariateNormal, AutoIAFNormal])
def test_draws_by_way_of_auxiliary_values_have_one(guide):
    with isolated(seed=0):
        fit = zoo.fit(shared_scale, guide(shared_scale), X, steps=3, compile=False)
        found = zoo.evaluate(fit, metrics=["elbo"])
    assert math.isfinite(found["elbo"].value)


def test_a_point_of_a_label_is_a_distribution():
    def model(x):
        k = pyro.sample("k", dist.Bernoulli(0.3))
        pyro.sample("x", dist.Normal(k, 1.0), obs=x)

    def guide(x):
        pyro.sample("k", dist.Delta(pyro.param("at", torch.ones(()))))

    found = zoo.evaluate(zoo.fit(model, guide, torch.ones(()), **STILL), metrics=["elbo"])
    truth = math.log(0.3) + dist.Normal(1.0, 1.0).log_prob(torch.ones(())).item()
    assert found["elbo"].value == pytest.approx(truth)


def test_auxiliary_values_that_are_not_the_latents_own_are_refused():
    def guide(x):
        spread = pyro.param("spread", torch.ones(()))
        shift = pyro.sample("shift", dist.Normal(0.0, spread), infer={"is_auxiliary": True})
        pyro.sample("z", dist.Normal(shift, 1.0))

    found = zoo.evaluate(zoo.fit(location, guide, X, **STILL), metrics="weights")
    assert "1 auxiliary numbers ['shift'] for 0 of the latents" in found.skipped["elbo"]


def test_a_point_has_a_mean_and_no_sd():
    task = zoo.load("linear_regression")
    fit = zoo.fit(task, AutoDelta(task.build()), steps=3, compile=False)
    found = zoo.evaluate(fit, metrics="posterior")
    assert found["posterior_mean_error"].value > 0
    assert "at a point" in found.skipped["posterior_sd_error"]


# Densities that are not log p(x, z), and numbers that are not known


def test_a_scaled_density_says_so():
    def scaled(x):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)), poutine.scale(scale=0.5):
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def masked(x):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)), poutine.mask(mask=x > 0):
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    notes = [
        zoo.evaluate(zoo.fit(model, MeanField, X, **STILL), metrics=["log_evidence"])
        for model in (scaled, masked, location)
    ]
    assert "scales 'x' by poutine.scale" in notes[0]["log_evidence"].note
    assert "masked part of 'x'" in notes[1]["log_evidence"].note
    assert "scale" not in notes[2]["log_evidence"].note


@pytest.mark.parametrize("metric", ["ais", "smc", "from_prior"])
def test_no_chain_starts_from_a_scaled_prior(metric):
    def model(x):
        with poutine.scale(scale=0.5):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    fit = zoo.fit(model, MeanField, X, **STILL)
    reasons = zoo.evaluate(fit, metrics=[metric]).skipped.values()
    assert any("poutine.scale makes that of 'z' no density" in why for why in reasons)


def test_a_minibatch_is_no_scale():
    def model(x):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    fit = zoo.fit(model, FullRank, X, steps=2, batch_size=4, compile=False)
    assert "scale" not in zoo.evaluate(fit, metrics=["log_evidence"])["log_evidence"].note


@pytest.mark.parametrize("size", [1e17, 1e10])
def test_data_so_large_that_rounding_is_all_there_is(size):
    found = zoo.evaluate(zoo.fit(location, MeanField, size * X, **STILL), metrics="weights")
    for name in ("elbo", "log_evidence", "k_hat"):
        assert "Standardise the data" in found.skipped[name]


def test_coarse_rounding_is_told():
    found = zoo.evaluate(zoo.fit(location, MeanField, 3e6 * X, **STILL), metrics=["elbo"])
    assert "rounding to 0.0" in found["elbo"].note


def test_what_is_not_finite_is_skipped_and_not_written():
    fit = zoo.fit(location, MeanField, X, **STILL)
    fit.stopped = "diverged"
    with torch.no_grad():
        for parameter in fit.guide.parameters():
            parameter.fill_(math.nan)
    found = zoo.evaluate(fit)
    assert "not finite on 1 of 1 rows: training diverged" in found.skipped["elbo"]
    assert all(math.isfinite(f.value) and math.isfinite(f.se) for f in found.values())


class Noisy(torch.nn.Module):
    """Draws noise that Pyro does not know of, from latents to data."""

    def forward(self, x):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        noise = torch.randn(len(x))
        with pyro.plate("obs", len(x)):
            pyro.sample("x", dist.Normal(z + 0.3 * noise, 1.0), obs=x)


def test_a_model_with_noise_of_its_own_has_no_metric_that_needs_its_density():
    fit = zoo.fit(Noisy(), MeanField, X, **STILL)
    names = ["elbo", "log_evidence", "k_hat", "psis", "from_prior", "smc", "ais"]
    found = zoo.evaluate(fit, metrics=names, draws=200)
    assert not found.metrics
    assert {"elbo", "log_evidence", "smc", "ais"} <= set(found.skipped)
    assert all("noise outside of pyro.sample" in why for why in found.skipped.values())
    assert found.answers.draws.answer == "cannot tell"


def test_dropout_is_no_noise_of_a_model_that_is_scored():
    drop = torch.nn.Dropout(0.5)

    def model(x):
        pyro.module("drop", drop)
        z = pyro.sample("z", dist.Normal(0.0, 1.0).expand([len(x)]).to_event(1))
        with pyro.plate("obs", len(x)):
            pyro.sample("x", dist.Normal(drop(z), 1.0), obs=x)

    found = zoo.evaluate(zoo.fit(model, MeanField, X, **STILL), metrics=["elbo"], draws=50)
    assert "elbo" in found
