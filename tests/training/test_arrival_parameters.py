"""Models with a few parameters of their own: these and the best normal are found together."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoNormal
from scipy.optimize import minimize
from torch import nn

import zoo
from guides import GUIDES, IAF, FullRank, MeanField
from zoo.isolation import in_double, isolated
from zoo.task import task_of
from zoo.training.settings import Request
from zoo.training.stopping.direct import MOST_BESIDE, MOST_LEARNT

X = torch.randn(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
NOISE = torch.randn(60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = X @ torch.tensor([2.0, -1.0], dtype=torch.float64) + 0.5 * NOISE


def learns_its_noise(x, y):
    noise = pyro.param("noise", torch.tensor(1.0), constraint=dist.constraints.positive)
    b = pyro.sample("b", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal((x * b.unsqueeze(-2)).sum(-1), noise), obs=y)


class Net(nn.Module):
    """A regression on the features of a small net."""

    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(2, width)

    def forward(self, x, y):
        b = pyro.sample("b", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(b.unsqueeze(-1) + self.layer(x).sum(-1), 1.0), obs=y)


def log_evidence(noise):
    covariance = X @ X.mT + noise**2 * torch.eye(len(X), dtype=torch.float64)
    return dist.MultivariateNormal(torch.zeros_like(Y), covariance).log_prob(Y)


def best_evidence(log_evidence, start):
    """The highest log evidence over parameters, by L-BFGS on the closed form."""

    def descent(numbers):
        point = torch.tensor(numbers, requires_grad=True)
        value = -log_evidence(point)
        (slope,) = torch.autograd.grad(value, point)
        return value.item(), slope.numpy()

    return -minimize(descent, start, jac=True, method="L-BFGS-B").fun


@pytest.mark.parametrize("family", [FullRank, AutoNormal])
def test_a_parameter_ends_where_the_evidence_is_highest(family):
    """Predictors are nearly uncorrelated, so that independent coordinates lose next to nothing."""
    fit = zoo.fit(learns_its_noise, family, X, Y)
    best = best_evidence(lambda u: log_evidence(u.exp()), [0.0])
    assert fit.settings.dadvi
    assert fit.stopped == "converged"
    assert fit.convergence.elbo == pytest.approx(best, abs=0.02)
    (noise,) = [p for name, p in fit.program.named_parameters() if name.startswith("store")]
    assert log_evidence(noise.detach().exp()).item() == pytest.approx(best, abs=1e-3)


def test_a_gaussian_process_ends_at_its_evidence_and_that_at_its_highest():
    task = zoo.load("gp_regression")
    fit = zoo.fit(task, FullRank)
    assert fit.stopped == "converged"
    assert abs(zoo.evaluate(fit, metrics=("exact",))["gap"].value) < 1e-3
    with isolated(seed=0), in_double():
        model = task.build().double()
        data = [value.double() for value in task.split("train")]

        def evidence(u):
            for name, value in zip(("log_scale", "log_length", "log_noise"), u, strict=True):
                delattr(model, name)
                setattr(model, name, value)
            return model.log_evidence(*data)

        for name in ("log_scale", "log_length", "log_noise"):
            del model._parameters[name]
            setattr(model, name, None)
        best = best_evidence(evidence, [0.0, 0.0, -0.7])
    assert fit.convergence.elbo == pytest.approx(best, abs=2e-3)


def test_parameters_that_are_held_stay_where_they_are():
    task = zoo.load("gp_regression")
    fit = zoo.fit(task, FullRank, freeze_model=True)
    assert fit.stopped == "converged"
    with isolated(seed=fit.settings.seed):
        built = task.build()
    for one, other in zip(fit.program.model.parameters(), built.parameters(), strict=True):
        assert torch.equal(one, other)


def levelled(x, y):
    level = pyro.param("level", torch.tensor(0.0))
    noise = pyro.param("noise", torch.tensor(1.0), constraint=dist.constraints.positive)
    b = pyro.sample("b", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal(level + b * x, noise), obs=y)


@pytest.mark.parametrize(("level", "noise"), [(1e2, 0.1), (1e4, 1.0), (1e7, 1e3)])
def test_parameters_are_found_in_their_own_units(level, noise):
    """Both begin near 1, where the level is 10,000 sds of the noise and more away."""
    x, y = X[:, 0], level + 0.5 * X[:, 0] + noise * NOISE

    def evidence(u):
        covariance = x[:, None] * x + (2 * u[1]).exp() * torch.eye(len(x), dtype=torch.float64)
        mean = (level + noise * u[0]).expand(len(x))
        return dist.MultivariateNormal(mean, covariance).log_prob(y)

    fit = zoo.fit(levelled, MeanField, x, y)
    assert fit.stopped == "converged"
    best = best_evidence(evidence, [0.0, float(torch.tensor(noise).log())])
    assert fit.convergence.elbo == pytest.approx(best, abs=0.02)


def test_parameters_that_begin_at_random_are_found_in_float64_too():
    def random(x, y):
        noise = pyro.param("noise", lambda: torch.rand(()) + 0.5, dist.constraints.positive)
        level = pyro.param("level", lambda: torch.randn(()))
        b = pyro.sample("b", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(level + b * x, noise), obs=y)

    with isolated():
        torch.set_default_dtype(torch.float32)
        try:
            x, y = X[:, 0].float(), (1e3 + 0.5 * X[:, 0] + 0.1 * NOISE).float()
            fit, other = zoo.fit(random, MeanField, x, y), zoo.fit(levelled, MeanField, x, y)
        finally:
            torch.set_default_dtype(torch.float64)
    assert (fit.stopped, other.stopped) == ("converged", "converged")
    assert fit.convergence.elbo == pytest.approx(other.convergence.elbo, abs=1e-3)


def test_a_parameter_that_changes_nothing_does_no_harm():
    def idle(x, y):
        pyro.param("idle", torch.tensor(1.5))
        learns_its_noise(x, y)

    fit, without = zoo.fit(idle, FullRank, X, Y), zoo.fit(learns_its_noise, FullRank, X, Y)
    assert fit.stopped == "converged"
    assert fit.convergence.elbo == pytest.approx(without.convergence.elbo, abs=1e-3)


def test_a_statement_that_is_met_late_is_trained_by_steps():
    def late(x, y):
        a = pyro.sample("a", dist.Normal(0.0, 10.0))
        s = pyro.param("s", torch.tensor(4.0), constraint=dist.constraints.positive)
        mean = a + pyro.param("slope", torch.tensor(0.0)) * x if s.item() < 3 else a
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(mean, s), obs=y)

    x, expected = X[:, 0], "the statement 'slope' was met only after these had moved"
    with pytest.warns(UserWarning, match=expected):
        fit = zoo.fit(late, MeanField, x, 3 * x + 0.5 * NOISE, compile=False)
    assert not fit.settings.dadvi
    assert any(expected in note for note in fit.notes)
    values = dict(zip(fit.program.store.names, fit.program.store.values, strict=True))
    assert abs(values["slope"].item() - 3) < 0.5


def test_an_elbo_without_a_bound_is_named():
    """The data are on a line exactly: the noise goes to 0."""
    fit = zoo.fit(levelled, MeanField, X[:, 0], 2 * X[:, 0], optimizer="dadvi", steps=500)
    assert fit.stopped == "finished"
    assert "unbounded" in {difficulty.kind for difficulty in fit.difficulties}
    assert "Give such a parameter a prior" in zoo.evaluate(fit, draws=100).verdict


def test_models_that_cost_too_much_take_steps():
    def large(x, y):
        scale = pyro.param("scale", torch.tensor(1.0), constraint=dist.constraints.positive)
        z = pyro.sample("z", dist.Normal(torch.zeros(MOST_BESIDE + 1), scale).to_event(1))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(z.sum(-1, keepdim=True), 1.0), obs=y)

    (settings,) = Request().settings(task_of(large, (X, Y)), MeanField)
    assert (settings.dadvi, settings.until) == (False, "steps")
    with pytest.raises(ValueError, match="beside parameters such as 'scale' .* up to 200 numbers"):
        zoo.fit(large, MeanField, X, Y, optimizer="dadvi")

    def branches(x, y):
        noise = pyro.param("noise", torch.tensor(1.0), constraint=dist.constraints.positive)
        b = pyro.sample("b", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(b if b.item() > 0 else 0.0 * b, noise), obs=y)

    with pytest.warns(UserWarning, match="the model runs draw by draw"):
        fit = zoo.fit(branches, MeanField, X, Y, optimizer="dadvi", steps=200)
    assert not fit.settings.dadvi


def test_many_parameters_and_other_guides_take_steps_by_default():
    few, many = Net(2), Net(MOST_LEARNT // 2)
    for model, family, direct in ((few, MeanField, True), (many, MeanField, False)):
        (settings,) = Request().settings(task_of(model, (X, Y)), family)
        assert (settings.dadvi, settings.until) == (direct, "converged" if direct else "steps")
    (settings,) = Request().settings(task_of(few, (X, Y)), IAF)
    assert (settings.dadvi, settings.until) == (False, "steps")
    with pytest.raises(ValueError, match="such as 'layer.weight', are 75 numbers, more than 50"):
        zoo.fit(many, MeanField, X, Y, optimizer="dadvi")


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["ppca", "factor_analysis", "local_level"])
def test_a_recipe_whose_guide_holds_the_posterior_ends_at_the_evidence(name):
    """Its rate falls, and its encoder is linear, as the exact posterior mean is."""
    task = zoo.load(name)
    fit = zoo.fit(task, GUIDES[task.usual_guide])
    gap = zoo.evaluate(fit, metrics=("exact",), draws=1024)["gap"]
    assert -3 * gap.se < gap.value < 0.02
