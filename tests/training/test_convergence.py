"""Stopping by stationarity: it waits for the drift to end, and the mean beats the last iterate."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoNormal
from steps import interpreted

import zoo
from guides import MeanField
from zoo.results.convergence import Convergence, change_of_mean, split_r_hat

Y = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.5, 2.5])


def conjugate(y):
    """Normal mean with a wide prior: its posterior is normal, in closed form."""
    mean = pyro.sample("mean", dist.Normal(0.0, 10.0))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(mean, 1.0), obs=y)


PRECISION = 1 / 100 + len(Y)
MEAN, SD = float(Y.sum() / PRECISION), PRECISION**-0.5


def of_guide(found):
    (loc,) = [p.item() for name, p in found.guide.named_parameters() if "loc" in name]
    return loc


def test_r_hat_of_noise_of_a_trend_and_of_a_constant():
    noise = torch.randn(400)
    columns = torch.stack([noise, noise + torch.linspace(0, 3, 400), torch.ones(400)], dim=1)
    still, trend, constant = split_r_hat(columns[:, None])
    assert still < 1.02
    assert trend > 1.3
    assert constant == pytest.approx((199 / 200) ** 0.5, rel=1e-8)
    jump = torch.cat([torch.zeros(5, 1, 1), torch.ones(5, 1, 1)])
    assert split_r_hat(jump).isinf().all()


def test_chains_that_are_still_but_apart_have_a_large_r_hat():
    noise = torch.randn(400, 2, 1)
    apart = noise + torch.tensor([0.0, 3.0])[:, None]
    assert split_r_hat(noise) < 1.02
    assert split_r_hat(apart) > 1.5


def test_r_hat_by_its_definition():
    draws = torch.tensor([1.0, 3.0, 4.0, 8.0])[:, None, None]
    within, between = (2.0 + 8.0) / 2, 0.5 * (6.0 - 2.0) ** 2
    assert split_r_hat(draws).item() == pytest.approx((0.5 + between / within) ** 0.5, rel=1e-8)


def test_the_change_of_a_mean_carries_its_error():
    z = []
    for _ in range(200):
        change, error = change_of_mean(torch.randn(1000) + 5)
        z.append(change / error)
    spread = torch.stack(z)
    assert abs(spread.mean()) < 5 / 200**0.5
    assert 0.8 < spread.std() < 1.3
    change, error = change_of_mean(torch.linspace(10, 0, 1000) + torch.randn(1000))
    assert abs(change - 5.0) < 5 * error


@pytest.mark.parametrize(
    ("change", "error", "level", "answer"),
    [
        (0.01, 0.02, -5.0, "yes"),
        (0.98, 2.49, -120.0, "cannot tell"),
        (0.0, 2.49, -120.0, "cannot tell"),
        (0.126, 0.03, -10.0, "no"),
        (3.0, 0.5, -1000.0, "yes"),
        (30.0, 0.5, -1000.0, "no"),
    ],
)
def test_a_change_that_its_error_hides_is_not_called_still(change, error, level, answer):
    """Still is less than 1 % of the bound, or 0.1 nats, with two standard errors added."""
    found = Convergence(r_hat=1.0, change=change, change_se=error, window=500, level=level)
    assert found.still == answer
    assert found.reached == (answer == "yes")


@pytest.mark.thorough
def test_a_fit_stops_by_itself_near_the_exact_posterior(tmp_path):
    found = zoo.fit(conjugate, MeanField, Y, until="converged", lr=0.05, steps=40_000, seed=1)
    assert found.stopped == "converged"
    assert len(found.losses) < found.settings.steps
    assert found.convergence.reached(found.settings.tolerance)
    assert abs(of_guide(found) - MEAN) < 0.2 * SD
    zoo.save(found, tmp_path / "fit")
    loaded = zoo.load_fit(tmp_path / "fit", conjugate, Y, guide=MeanField)
    assert (loaded.stopped, loaded.convergence) == ("converged", found.convergence)
    assert of_guide(loaded) == of_guide(found)


@pytest.mark.thorough
def test_the_mean_of_the_iterates_beats_the_last_one():
    errors = []
    for seed in range(3):
        settings = {"lr": 0.1, "seed": seed}
        found = zoo.fit(conjugate, MeanField, Y, until="converged", steps=40_000, **settings)
        last = zoo.fit(conjugate, MeanField, Y, steps=len(found.losses), **settings)
        errors.append([(of_guide(one) - MEAN) ** 2 for one in (found, last)])
    averaged, final = torch.tensor(errors).mean(0)
    assert averaged < 0.25 * final


@pytest.mark.thorough
def test_a_fit_that_still_drifts_does_not_stop():
    """A parameter of the model: such a fit begins where it is built, and keeps its rate."""

    def learns(y):
        mean = pyro.param("mean", torch.tensor(0.0))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(pyro.sample("z", dist.Normal(mean, 1.0)), 1.0), obs=y)

    found = zoo.fit(learns, AutoNormal, Y, until="converged", lr=1e-4, steps=1500)
    assert found.stopped == "finished"
    assert isinstance(found.convergence, Convergence)
    assert not found.convergence.reached
    assert len(found.losses) == 1500


def test_the_most_steps_are_never_passed():
    """Also where they are no multiple of the distance between two noted iterates."""
    found = zoo.fit(conjugate, MeanField, Y, until="converged", lr=1e-4, steps=37)
    assert len(found.losses) == 37
    assert found.convergence is None
    on = zoo.fit(conjugate, MeanField, Y, until="converged", lr=1e-4, steps=53, resume=found)
    assert len(on.losses) == 53


def test_a_resumed_fit_ends_at_its_own_parameters():
    """Not at the mean over iterates that the earlier fit ended at."""
    found = zoo.fit(conjugate, MeanField, Y, until="converged", lr=0.05, steps=4000, seed=1)
    more = len(found.losses) + 30
    on = zoo.fit(
        conjugate, MeanField, Y, until="converged", lr=0.05, steps=more, seed=1, resume=found
    )
    assert on.stopped == "finished"
    assert of_guide(on) != of_guide(found)


def test_wrong_requests_are_refused():
    with pytest.raises(ValueError, match="one of .auto., .steps., .converged.; got .done."):
        zoo.fit(conjugate, MeanField, Y, until="done")
    with pytest.raises(ValueError, match="watches the fit and stops it by itself; got patience=3"):
        zoo.fit(conjugate, MeanField, Y, until="converged", patience=3)


def test_replicas_stop_together_each_at_its_own_mean(monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    found = zoo.fit(conjugate, MeanField, Y, until="converged", lr=0.05, steps=4000, replicas=3)
    assert {one.stopped for one in found} == {"converged"}
    assert len({len(one.losses) for one in found}) == 1
    assert len(found[0].losses) < 4000
    assert all(one.convergence.reached for one in found)
    places = [of_guide(one) for one in found]
    assert all(abs(place - MEAN) < 0.2 * SD for place in places)
    assert len(set(places)) == 3
