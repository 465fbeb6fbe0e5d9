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
from zoo.training.settings import MOST_LEARNT, Request

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
