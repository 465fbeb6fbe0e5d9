"""log p(x, z(u)) against closed forms: rowwise, shared, mixed, on every support, with sums."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from joint import close
from pyro.infer.autoguide import AutoDelta, AutoIAFNormal, AutoNormal
from small_tasks import best_diagonal_guide, causes_task, exact_guide, fitted_ppca_task
from torch import nn
from torch.distributions import biject_to, constraints

import zoo
from guides import IAF, Empty, FullRank, MeanField
from zoo.isolation import isolated
from zoo.sampling.guide_density import FromGuide
from zoo.sampling.joint_density import JointDensity

IDENTITY = 1e-8


@pytest.fixture(autouse=True)
def isolation():
    with isolated():
        yield


def untrained(model, guide, *args, **settings):
    return zoo.fit(model, guide, *args, steps=1, lr=1e-30, **settings)


def test_rows_of_ppca():
    task = fitted_ppca_task()
    result = untrained(task, exact_guide(task))
    (x,), model = task.split("test"), result.model
    density = JointDensity(result.program, (x,))
    u = density.draw(7)
    assert u.shape == (7, 30, 2)
    ends = density(u)
    close(ends.base, dist.Normal(0, 1).log_prob(u).sum(-1))
    close(ends.target, model.posterior(x)["z"].log_prob(u) + model.log_evidence(x))
    some = JointDensity(result.program, (x,), torch.tensor([3, 17]))
    close(some(u[:, [3, 17]]).target, ends.target[:, [3, 17]])


def test_other_data():
    task = fitted_ppca_task()
    result = untrained(task, exact_guide(task))
    density = JointDensity(result.program, task.split("test"))
    u, data = density.simulate(3)
    other = density.on({"x": data["x"]})
    for i, x in enumerate(data["x"]):
        expected = result.model.posterior(x)["z"].log_prob(u[i]) + result.model.log_evidence(x)
        close(other(u.repeat_interleave(2, 0)).target[2 * i], expected)


def test_the_prior_is_what_is_drawn():
    draws, task = 20_000, zoo.load("eight_schools_noncentred")
    density = JointDensity(untrained(task, MeanField).program, task.split("train"))
    mu, log_tau, eta = density.draw(draws)[:, 0].split([1, 1, 8], -1)
    for value, mean, sd in ((mu, 0.0, 5.0), (eta[:, :1], 0.0, 1.0)):
        assert abs(value.mean() - mean) < 5 * sd / draws**0.5
        assert abs(value.std() - sd) < 5 * sd / (2 * draws) ** 0.5
    below = (log_tau.exp() < 5).double().mean()
    assert abs(below - 0.5) < 5 * 0.5 / draws**0.5


def test_latents_that_are_shared():
    task = zoo.load("eight_schools_noncentred")
    sigma, y = task.split("train")
    density = JointDensity(untrained(task, MeanField).program, (sigma, y))
    u = density.draw(5)
    assert u.shape == (5, 1, 10)
    mu, log_tau, eta = u[:, 0, 0], u[:, 0, 1], u[:, 0, 2:]
    tau = log_tau.exp()
    prior = dist.Normal(0.0, 5.0).log_prob(mu) + dist.HalfCauchy(5.0).log_prob(tau) + log_tau
    prior = prior + dist.Normal(0, 1).log_prob(eta).sum(-1)
    theta = mu[:, None] + tau[:, None] * eta
    likelihood = dist.Normal(theta, sigma).log_prob(y).sum(-1)
    close(density(u).base[:, 0], prior)
    close(density(u).target[:, 0], prior + likelihood)


def many_supports(x):
    """Supports of every sort, one of which depends on another latent; a plate beside the rows."""
    shares = pyro.sample("shares", dist.Dirichlet(torch.ones(3)))
    width = pyro.sample("width", dist.LogNormal(0.0, 0.5))
    with pyro.plate("groups", 2, dim=-2):
        place = pyro.sample("place", dist.Uniform(torch.zeros(()), width))
        with pyro.plate("data", len(x), dim=-1):
            chance = pyro.sample("chance", dist.Beta(2.0, 2.0))
            loc = shares[..., 0] * width + place + chance
            pyro.sample("x", dist.Normal(loc, 1.0), obs=x)


def test_supports_plates_and_the_volume():
    x = torch.randn(4)
    density = JointDensity(untrained(many_supports, AutoNormal, x).program, (x,))
    u = density.draw(6)
    assert u.shape == (6, 1, 2 + 1 + 2 + 8)
    simplex = biject_to(constraints.simplex)
    shares, width = simplex(u[:, 0, :2]), u[:, 0, 2].exp()
    log_det = simplex.log_abs_det_jacobian(u[:, 0, :2], shares) + u[:, 0, 2]
    inner = u[:, 0, 3:].sigmoid()
    place, chance = inner[:, :2, None] * width[:, None, None], inner[:, 2:].reshape(6, 2, 4)
    log_det = log_det + (inner * (1 - inner)).log().sum(-1) + 2 * width.log()
    prior = dist.Dirichlet(torch.ones(3)).log_prob(shares)
    prior = prior + dist.LogNormal(0.0, 0.5).log_prob(width) - 2 * width.log()
    prior = prior + dist.Beta(2.0, 2.0).log_prob(chance).sum((-1, -2)) + log_det
    loc = (shares[:, 0] * width)[:, None, None] + place + chance
    close(density(u).base[:, 0], prior)
    close(density(u).target[:, 0], prior + dist.Normal(loc, 1.0).log_prob(x).sum((-1, -2)))


def test_discrete_rows_are_summed_out():
    task = causes_task()
    result = untrained(task, Empty, objective="enumerate")
    (x,) = task.split("test")
    density = JointDensity(result.program, (x,))
    ends = density(density.draw(2))
    assert density.states == 8
    assert density.size == 0
    close(ends.base, torch.zeros(2, len(x)))
    close(ends.target, result.model.log_evidence(x).expand(2, -1))


def mixture(x):
    """Shared locations, discrete rows: what is left is a mixture."""
    loc = pyro.sample("loc", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Bernoulli(torch.tensor(0.3)))
        pyro.sample("x", dist.Normal(torch.where(z > 0, loc[..., 1], loc[..., 0]), 1.0), obs=x)


def test_discrete_rows_under_shared_latents():
    x = torch.randn(5)
    result = untrained(mixture, FullRank, x, objective="enumerate")
    density = JointDensity(result.program, (x,))
    u = density.draw(4)
    loc = u[:, 0]
    parts = [dist.Normal(loc[:, i, None], 1.0).log_prob(x) for i in (0, 1)]
    rows = torch.logaddexp(parts[0] + torch.tensor(0.7).log(), parts[1] + torch.tensor(0.3).log())
    prior = dist.Normal(0.0, 1.0).log_prob(loc).sum(-1)
    close(density(u).base[:, 0], prior)
    close(density(u).target[:, 0], prior + rows.sum(-1))


def stubborn(x):
    """Does not broadcast over particles: it looks at one value."""
    mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean if mean > 0 else 2 * mean, 1.0), obs=x)


def test_a_model_that_takes_one_particle_at_a_time():
    x = torch.randn(5)
    density = JointDensity(untrained(stubborn, MeanField, x).program, (x,))
    assert not density.latents.vectorises
    u = torch.tensor([-1.0, 0.5, 2.0])[:, None, None]
    mean = torch.tensor([-2.0, 0.5, 2.0])
    prior = dist.Normal(0.0, 2.0).log_prob(u[:, 0, 0])
    close(density(u).base[:, 0], prior)
    close(density(u).target[:, 0], prior + dist.Normal(mean[:, None], 1.0).log_prob(x).sum(-1))
    u, data = density.simulate(3)
    assert density.on(data)(u).target.shape == (3, 1)


def sphere(x):
    direction = pyro.sample("direction", dist.ProjectedNormal(torch.ones(3)))
    pyro.sample("x", dist.Normal(direction.sum(-1), 1.0), obs=x)


class OnSphere(nn.Module):
    def __init__(self):
        super().__init__()
        self.towards = nn.Parameter(torch.ones(3))

    def forward(self, x):
        pyro.sample("direction", dist.ProjectedNormal(self.towards))


def with_factor(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    pyro.factor("penalty", -(mean**2))


def test_what_has_no_density():
    result = untrained(sphere, OnSphere(), torch.zeros(()))
    with pytest.raises(ValueError, match="'direction' has support .* which no bijection reaches"):
        JointDensity(result.program, (torch.zeros(()),))
    result = untrained(with_factor, MeanField, torch.zeros(2))
    with pytest.raises(ValueError, match="simulated from the factor 'penalty'"):
        JointDensity(result.program, (torch.zeros(2),)).on({})


@pytest.mark.parametrize("guide", [MeanField, FullRank, IAF, AutoNormal, AutoIAFNormal])
def test_a_guides_density_is_the_one_it_draws_from(guide):
    """Its importance weights are those of the harness: same law, so same mean of exp."""
    task = zoo.load("eight_schools_noncentred")
    result = zoo.fit(task, guide, steps=20, lr=0.01)
    path = FromGuide(JointDensity(result.program, task.split("train")))
    torch.manual_seed(0)
    ends = path(path.draw(2000))
    log_w = (ends.target - ends.base)[:, 0]
    found = zoo.evaluate(result, metrics=["elbo"], draws=2000)["elbo"]
    se = (found.se**2 + (log_w.std() / 2000**0.5) ** 2) ** 0.5
    assert abs(log_w.mean() - found.value) < 5 * se


def test_an_amortised_guides_density():
    task = fitted_ppca_task()
    result = untrained(task, best_diagonal_guide(task))
    (x,) = task.split("test")
    path = FromGuide(JointDensity(result.program, (x,)))
    exact = result.model.posterior(x)["z"]
    scale = exact.precision_matrix.diagonal(dim1=-2, dim2=-1).rsqrt()
    u = path.draw(3)
    torch.testing.assert_close(
        path(u).base, dist.Normal(exact.mean, scale).log_prob(u).sum(-1), rtol=1e-6, atol=1e-6
    )


def test_guides_without_a_density():
    task = zoo.load("eight_schools_noncentred")
    result = untrained(task, AutoDelta)
    with pytest.raises(ValueError, match="puts 'mu' at a point"):
        FromGuide(JointDensity(result.program, task.split("train")))
    x = torch.randn(5)
    result = untrained(stubborn, MeanField, x)
    with pytest.raises(ValueError, match="takes a model that broadcasts over particles"):
        FromGuide(JointDensity(result.program, (x,)))
