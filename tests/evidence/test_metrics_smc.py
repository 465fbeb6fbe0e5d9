"""Sequential Monte Carlo against exact evidence, and its parts one by one."""

import pyro.distributions as dist
import pytest
import torch
from small_tasks import best_diagonal_guide, fitted_ppca_task
from test_metrics_ais import conjugate, near, truth_of, untrained

import zoo
from guides import MeanField
from zoo.evidence import TemperedSMC
from zoo.evidence.annealing_path import Point
from zoo.evidence.smc import next_beta, resample, times

IDENTITY = 1e-8


def share_left(ratio, delta):
    w = (delta.unsqueeze(1) * ratio).softmax(1)
    return 1 / w.square().sum(1) / ratio.shape[1]


def test_the_next_temperature_leaves_the_share():
    ratio, beta = 9 * torch.randn(3, 200, 4), torch.rand(3, 4) / 10
    new = next_beta(ratio, beta, 0.5)
    assert ((new > beta) & (new < 1)).all()
    torch.testing.assert_close(share_left(ratio, new - beta), torch.full((3, 4), 0.5))


def test_flat_weights_go_all_the_way():
    assert (next_beta(torch.randn(2, 50, 3) / 100, torch.full((2, 3), 0.3), 0.5) == 1).all()


def test_particles_of_no_likelihood_do_not_stop_it():
    ratio = torch.zeros(1, 10, 1)
    ratio[:, :8] = -torch.inf
    beta = torch.zeros(1, 1)
    new = next_beta(ratio, beta, 0.5)
    assert new > 0
    log_w = times(new - beta, ratio)
    point = Point(torch.arange(10.0).reshape(10, 1, 1), torch.zeros(10, 1), torch.zeros(10, 1))
    assert (resample(point, log_w).u >= 8).all()


def test_resampling_counts_are_the_weights():
    log_w = torch.randn(2, 5, 3)
    w = log_w.softmax(1)
    u = torch.arange(10.0).reshape(10, 1, 1).expand(10, 3, 2)
    counts = torch.zeros(2, 5, 3)
    for _ in range(500):
        found = resample(Point(u, u[..., 0], -u[..., 0]), log_w)
        torch.testing.assert_close(found.base, found.u[..., 0])
        torch.testing.assert_close(found.target, -found.base)
        chosen = found.base.reshape(2, 5, 3)
        assert (chosen[0] < 5).all()
        assert (chosen[1] >= 5).all()
        index = chosen - torch.tensor([0.0, 5.0])[:, None, None]
        one = torch.stack([(index == k).sum(1) for k in range(5)], 1)
        assert ((one - 5 * w).abs() < 1 + IDENTITY).all()
        counts += one
    assert ((counts / 500 - 5 * w).abs() < 5 * 0.5 / 500**0.5).all()


def test_even_weights_keep_every_particle():
    u = torch.randn(6, 2, 1)
    point = Point(u, u[..., 0], u[..., 0])
    assert torch.equal(resample(point, torch.zeros(2, 3, 2)).u, u)


class ManyNormals:
    """From N(0, 1) to N(1, sd) likelihoods in many dimensions; the evidence is exactly known."""

    size, rows = 20, 1
    sd = torch.linspace(0.1, 0.5, 20)

    def draw(self, chains):
        return torch.randn(chains, 1, self.size)

    def __call__(self, u):
        prior = dist.Normal(0.0, 1.0).log_prob(u).sum(-1)
        return prior, prior + dist.Normal(1.0, self.sd).log_prob(u).sum(-1)

    def log_evidence(self):
        return dist.Normal(0.0, (1 + self.sd**2).sqrt()).log_prob(torch.ones(self.size)).sum()


@pytest.mark.thorough
def test_few_particles_in_many_dimensions_are_not_biased():
    density = ManyNormals()
    found = TemperedSMC(particles=32, runs=400, leapfrogs=4).run(density)
    w = (found.log_z[:, 0] - density.log_evidence()).exp()
    assert w.std() / 400**0.5 < 0.2
    assert abs(w.mean() - 1) < 5 * w.std() / 400**0.5


@pytest.mark.thorough
def test_rows_of_ppca(monkeypatch):
    task = fitted_ppca_task()
    result = untrained(task, best_diagonal_guide(task))
    asked = TemperedSMC(particles=64, runs=4, leapfrogs=4)
    found = zoo.evaluate(result, metrics=[asked])["smc"]
    assert found.unit == "nats/row"
    assert near(found, truth_of(result))
    monkeypatch.setattr("zoo.evidence.estimator.MOST_CHAINS_AT_ONCE", 64 * 4 * 16)
    assert near(zoo.evaluate(result, metrics=[asked])["smc"], truth_of(result))


def test_a_users_own_model():
    x = torch.randn(12) + 1
    result = untrained(conjugate, MeanField, x)
    found = zoo.evaluate(result, metrics=[TemperedSMC(leapfrogs=4)])["smc"]
    truth = dist.MultivariateNormal(torch.zeros(12), torch.eye(12) + 4.0).log_prob(x).item()
    assert near(found, truth)


def test_eight_schools():
    result = untrained(zoo.load("eight_schools_noncentred"), MeanField)
    asked = TemperedSMC(particles=256, leapfrogs=4)
    found = zoo.evaluate(result, metrics=[asked, "exact_log_evidence"])
    assert near(found["smc"], found["exact_log_evidence"].value)
    assert "8 runs of 256 particles" in found["smc"].note


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"particles": 1}, "particles to be a whole number of at least 2; got 1"),
        ({"runs": 1}, "runs to be a whole number of at least 2; got 1"),
        ({"share": 1.0}, "share to be a finite number above 0 and below 1; got 1.0"),
    ],
)
def test_settings_that_make_no_sense(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        TemperedSMC(**settings)
