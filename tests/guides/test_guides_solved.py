"""Guides that are found by a method of their own: against exact posteriors and Pyro's Laplace."""

import math
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, ERRORS, IDENTITY
from pyro.infer.autoguide import AutoLaplaceApproximation

import guides
import zoo
from guides.parts.cholesky import cholesky_factor
from zoo.comparison.compare import compare
from zoo.isolation import isolated

GENERATOR = torch.Generator().manual_seed(3)
X = torch.randn(30, 3, generator=GENERATOR, dtype=torch.float64)
NOISE = torch.randn(30, generator=GENERATOR, dtype=torch.float64)
Y = X @ torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64) + 0.5 * NOISE


def linear(x, y):
    b = pyro.sample("b", dist.Normal(torch.zeros(x.shape[1]), 3.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal((x * b.unsqueeze(-2)).sum(-1), 0.5), obs=y)


def logistic(x, y):
    b = pyro.sample("b", dist.Normal(torch.zeros(x.shape[1]), 3.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Bernoulli(logits=(x * b.unsqueeze(-2)).sum(-1)), obs=y)


def exact(x, y):
    """Mean, covariance and log evidence of the posterior of `linear`."""
    covariance = torch.linalg.inv(torch.eye(3) / 9 + x.mT @ x / 0.25)
    of_y = 9 * x @ x.mT + 0.25 * torch.eye(len(x))
    evidence = dist.MultivariateNormal(torch.zeros(len(x)), covariance_matrix=of_y).log_prob(y)
    return covariance @ x.mT @ y / 0.25, covariance, evidence


def moments(fit):
    """Mean and covariance of a guide that is one normal."""
    factor = cholesky_factor(fit.guide.factor, len(fit.guide.loc)).detach()
    return fit.guide.loc.detach(), factor @ factor.mT


def test_laplace_is_the_exact_posterior_where_that_is_normal():
    fit, (mean, covariance, evidence) = zoo.fit(linear, guides.Laplace, X, Y), exact(X, Y)
    found = moments(fit)
    torch.testing.assert_close(found[0], mean, rtol=IDENTITY, atol=IDENTITY)
    torch.testing.assert_close(found[1], covariance, rtol=1e-6, atol=IDENTITY)
    assert -float(fit.losses[-1]) == pytest.approx(float(evidence), abs=AUTODIFF)
    assert (fit.stopped, fit.backend, len(fit.losses)) == ("finished", "laplace", 1)


def test_laplace_equals_that_of_pyro():
    """At our mode the gradient is 0, and Pyro's inverse Hessian there is our covariance."""
    labels = (Y > 0).to(X)
    fit = zoo.fit(logistic, guides.Laplace, X, labels)
    mean, covariance = moments(fit)
    b = mean.clone().requires_grad_()
    value = dist.Normal(0.0, 3.0).log_prob(b).sum()
    value = value + dist.Bernoulli(logits=X @ b).log_prob(labels).sum()
    (slope,) = torch.autograd.grad(value, b)
    assert slope.abs().max() < 1e-5
    with isolated(seed=0):
        oracle = AutoLaplaceApproximation(logistic)
        oracle(X, labels)
        oracle.loc.data.copy_(mean)
        found = oracle.laplace_approximation(X, labels)
        scale_tril = found.scale[:, None] * found.scale_tril
        torch.testing.assert_close(covariance, scale_tril @ scale_tril.mT, rtol=1e-6, atol=1e-9)


def gamma_rate(y):
    rate = pyro.sample("rate", dist.Gamma(3.0, 2.0))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Poisson(rate), obs=y)


def test_laplace_is_on_the_unconstrained_scale():
    """rate | y ~ Gamma(a, b): log rate has its mode at log(a / b), and the curvature a there."""
    y = torch.tensor([2.0, 3.0, 5.0]).double()
    fit = zoo.fit(gamma_rate, guides.Laplace, y)
    mean, covariance = moments(fit)
    a, b = torch.tensor(13.0), torch.tensor(5.0)
    torch.testing.assert_close(mean[0], (a / b).log(), rtol=IDENTITY, atol=IDENTITY)
    torch.testing.assert_close(covariance[0, 0], 1 / a, rtol=1e-6, atol=0.0)


def narrowing(y):
    """As eight schools: the density rises without end as all effects and `tau` go to 0."""
    tau = pyro.sample("tau", dist.HalfCauchy(1.0))
    with pyro.plate("groups", 3):
        pyro.sample("effect", dist.Normal(0.0, tau))
    pyro.factor("y", dist.Normal(0.0, 1.0).log_prob(y))


def test_laplace_refuses_a_posterior_without_a_mode():
    with pytest.raises(
        ValueError, match="needs a mode.*led to one: the log density comes to"
    ) as e:
        zoo.fit(narrowing, partial(guides.Laplace, starts=2), torch.tensor(1.0))
    assert "'tau' at -" in str(e.value)
    assert "Use pathfinder" in str(e.value)


def test_laplace_refuses_a_ridge():
    """Only the sum of two numbers is known: along their difference the density is level."""

    def ridge():
        line = dist.constraints.real
        a = pyro.sample("a", dist.ImproperUniform(line, (), ()))
        b = pyro.sample("b", dist.ImproperUniform(line, (), ()))
        pyro.factor("sum", -((a + b - 1.0) ** 2))

    with pytest.raises(ValueError, match="needs a mode.*has the eigenvalue .* along '[ab]'"):
        zoo.fit(ridge, partial(guides.Laplace, starts=2))


def two_heights():
    z = pyro.sample("z", dist.Normal(0.0, 10.0))
    low, high = dist.Normal(-4.0, 0.5).log_prob(z), dist.Normal(3.0, 0.7).log_prob(z)
    pyro.factor("modes", torch.logaddexp(low - 2.0, high))


def test_laplace_takes_the_highest_mode_and_names_the_others():
    fit = zoo.fit(two_heights, partial(guides.Laplace, starts=12))
    assert float(fit.guide.loc.detach()) == pytest.approx(3.0, abs=0.1)
    assert "multimodal" in [one.kind for one in fit.difficulties]


def test_pathfinder_is_exact_where_the_posterior_is_normal():
    fit, (mean, covariance, evidence) = zoo.fit(linear, guides.Pathfinder, X, Y), exact(X, Y)
    found = moments(fit)
    sd = covariance.diagonal().sqrt()
    assert ((found[0] - mean) / sd).abs().max() < 0.01
    torch.testing.assert_close(found[1].diagonal().sqrt(), sd, rtol=0.05, atol=0.0)
    assert -float(fit.losses[-1]) == pytest.approx(float(evidence), abs=0.05)


def test_several_paths_give_each_mode_its_share():
    """By quadrature, however many paths came to a mode."""
    z = torch.linspace(-30.0, 30.0, 60_001)
    log_p = dist.Normal(0.0, 10.0).log_prob(z) + torch.logaddexp(
        dist.Normal(-4.0, 0.5).log_prob(z) - 2.0, dist.Normal(3.0, 0.7).log_prob(z)
    )
    truth = log_p.softmax(0)[z < -0.5].sum()
    fit = zoo.fit(two_heights, partial(guides.MultiPathfinder, paths=12))
    weights, means = fit.guide.logits.detach().softmax(0), fit.guide.loc.detach()[:, 0]
    error = (truth * (1 - truth) / 12_000).sqrt()
    assert (weights[means < -0.5].sum() - truth).abs() < ERRORS * error
    assert -float(fit.losses[-1]) == pytest.approx(
        float(log_p.logsumexp(0) - math.log(1e3)), abs=0.02
    )


@pytest.mark.parametrize("guide", [guides.Laplace, guides.Pathfinder, guides.ScoreMatched])
def test_the_same_seed_finds_the_same(guide):
    fits = [zoo.fit(linear, guide, X, Y, seed=2) for _ in range(2)]
    assert torch.equal(fits[0].guide.loc, fits[1].guide.loc)


def noisy(x, y):
    noise = pyro.param("noise", torch.tensor(0.5), constraint=dist.constraints.positive)
    b = pyro.sample("b", dist.Normal(torch.zeros(x.shape[1]), 3.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal((x * b.unsqueeze(-2)).sum(-1), noise), obs=y)


def test_parameters_of_the_model_are_held_or_refused():
    with pytest.raises(ValueError, match="parameters to train.*freeze_model=True.*full_rank"):
        zoo.fit(noisy, guides.Laplace, X, Y)
    fit = zoo.fit(noisy, guides.Laplace, X, Y, freeze_model=True)
    torch.testing.assert_close(moments(fit)[1], exact(X, Y)[1], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lr": 0.1}, "Expected lr to be None; got 0.1.*found by laplace, which takes no steps"),
        ({"optimizer": "adam"}, "Expected optimizer to be 'auto'; got 'adam'"),
        ({"objective": "iwae"}, "Laplace is found by a method of its own"),
        ({"patience": 3}, "Expected patience to be None; got 3"),
    ],
)
def test_what_only_steps_have_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        zoo.fit(linear, guides.Laplace, X, Y, **settings)


def test_it_cannot_be_a_part_of_another_guide():
    with pytest.raises(ValueError, match="trained by steps together with the other parts"):
        guides.compose(guides.Laplace, guides.AmortisedNormal)


def test_rows_with_latents_of_their_own_are_refused():
    with pytest.raises(zoo.PairingError, match="Laplace covers global continuous latents"):
        zoo.fit(zoo.load("ppca"), guides.Laplace)


def test_more_numbers_than_a_covariance_may_have_are_refused():
    def wide():
        pyro.sample("z", dist.Normal(torch.zeros(501), 1.0).to_event(1))

    with pytest.raises(ValueError, match="up to 500 latent numbers; this model has 501"):
        zoo.fit(wide, guides.Laplace)


def test_it_is_saved_loaded_resumed_and_scored(tmp_path):
    task = zoo.load("linear_regression")
    fit = zoo.fit(task, guides.Laplace, checkpoint=tmp_path / "fit")
    loaded = zoo.load_fit(tmp_path / "fit")
    again = zoo.fit(task, guides.Laplace, checkpoint=tmp_path / "fit", resume=tmp_path / "fit")
    for other in (loaded, again):
        assert torch.equal(other.guide.loc, fit.guide.loc)
        assert (other.backend, other.solver) == ("laplace", "laplace")
    found = zoo.evaluate(
        loaded, metrics=["elbo", "convergence", "weights", "from_prior"], draws=200
    )
    assert "without steps" in found.skipped["bound_rise"]
    assert "without steps" in found.skipped["r_hat"]
    assert "more steps" not in str(found.verdict)
    said = repr(loaded)
    assert "no steps" in said
    assert "evaluations of log p(x, z)" in said
    with pytest.raises(ValueError, match="there is no course to plot"):
        loaded.plot_loss()


def test_seeds_run_one_after_another():
    fits = zoo.fit(linear, guides.Pathfinder, X, Y, replicas=2, seed=5)
    assert [fit.settings.seed for fit in fits] == [5, 6]


def test_a_comparison_takes_steps_only_with_the_others(tmp_path):
    names = ["mean_field", "laplace", "pathfinder"]
    found = compare(
        "linear_regression", names, steps=5, lr=0.1, optimizer="adam", draws=50, out=tmp_path / "c"
    )
    rows = {row.guide: row for row in found.rows}
    assert [rows[name].steps for name in names] == [5, 1, 1]
    assert rows["laplace"].backend == "laplace"
    assert "no steps in" in (tmp_path / "c" / "report.html").read_text()
    bought = compare("linear_regression", names, budget=5, draws=50)
    assert [row.guide for row in bought.rows] == ["mean_field"]
    assert "A budget buys steps" in bought.mismatches["laplace x trace"]


def test_a_held_model_is_compared_under():
    """The noise is trained once, with the first guide; all guides then share it."""
    found = compare(noisy, ["full_rank", "laplace"], X, Y, hold=True, steps=30, draws=50)
    assert [row.guide for row in found.rows] == ["full_rank", "laplace"]
    models = [found.fits[row.name].program.store.values[0] for row in found.rows]
    assert torch.equal(*models)
    assert float(models[0].detach()) != pytest.approx(math.log(0.5), abs=1e-6)


def test_the_density_of_several_paths_is_that_of_their_mixture():
    fit = zoo.fit(two_heights, partial(guides.MultiPathfinder, paths=3))
    guide, z = fit.guide, torch.linspace(-6.0, 6.0, 7)
    weights = guide.logits.detach().softmax(0)
    sds = cholesky_factor(guide.factor, 1).detach()[:, 0, 0]
    by_hand = (
        weights * dist.Normal(guide.loc.detach()[:, 0], sds).log_prob(z[:, None]).exp()
    ).sum(1)
    torch.testing.assert_close(guide.mixture().log_prob(z[:, None]).exp().detach(), by_hand)
