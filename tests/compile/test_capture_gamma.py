"""Gamma, Beta, Dirichlet and Student's t in models and guides, on the compiled path."""

from itertools import combinations

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, standard_error
from pyro.infer import Trace_ELBO, TraceGraph_ELBO
from pyro.infer.autoguide import AutoNormal
from steps import a_capture, equal_on_fresh_inputs, interpreted
from torch.distributions import constraints, kl_divergence

import zoo
from zoo.gradients.sampler import draw_gradients
from zoo.objectives import as_objective
from zoo.optim.schedules import Cosine

COUNTS = torch.tensor([1.0, 0.0, 2.0, 3.0, 1.0, 0.0])
COINS = torch.tensor([1.0] * 6 + [0.0] * 4)
PLACES = torch.linspace(-1.0, 2.0, 7)


def positive(name, value):
    return pyro.param(name, torch.tensor(value), constraint=constraints.positive)


def coins(x):
    """The model of Pyro's tutorial on SVI, with rows."""
    fairness = pyro.sample("fairness", dist.Beta(10.0, 10.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Bernoulli(fairness), obs=x)


def coins_guide(x):
    a, b = positive("alpha_q", 15.0), positive("beta_q", 15.0)
    pyro.sample("fairness", dist.Beta(a, b))


def counts(x):
    rate = pyro.sample("rate", dist.Gamma(2.0, 1.5))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Poisson(rate), obs=x)


def counts_guide(x):
    pyro.sample("rate", dist.Gamma(positive("a", 6.0), positive("b", 5.0)))


def own_rates(x):
    """A rate of its own for each row, with shapes below 1."""
    with pyro.plate("data", len(x)):
        rate = pyro.sample("rate", dist.Gamma(0.8, 1.5))
        pyro.sample("x", dist.Poisson(rate), obs=x)


def own_rates_guide(x):
    with pyro.plate("data", len(x)):
        shape = positive("a", 0.4) + 0.5 * x
        pyro.sample("rate", dist.Gamma(shape, positive("b", 2.0)))


def mixture(x):
    """Weights of three components, which are summed over."""
    weights = pyro.sample("weights", dist.Dirichlet(torch.tensor([1.0, 2.0, 1.5])))
    loc = pyro.param("loc", torch.tensor([-1.0, 0.5, 2.0]))
    with pyro.plate("data", len(x)):
        components = dist.Normal(loc, 1.0)
        pyro.sample("x", dist.MixtureSameFamily(dist.Categorical(weights), components), obs=x)


def mixture_guide(x):
    start = torch.tensor([2.0, 0.7, 3.0])
    concentration = pyro.param("concentration", start, constraint=constraints.positive)
    pyro.sample("weights", dist.Dirichlet(concentration))


def tails(x):
    """Heavy tails in prior, guide and likelihood; a variance beside them."""
    mean = pyro.sample("mean", dist.StudentT(3.0, 0.0, 2.0))
    variance = pyro.sample("variance", dist.InverseGamma(3.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.StudentT(4.0, mean, variance.sqrt()), obs=x)


def tails_guide(x):
    loc = pyro.param("loc", torch.tensor(0.2))
    pyro.sample("mean", dist.StudentT(positive("df", 5.0), loc, positive("scale", 0.5)))
    pyro.sample("variance", dist.InverseGamma(positive("a", 4.0), positive("b", 3.0)))


def chi_squared(x):
    rate = pyro.sample("rate", dist.Chi2(3.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Poisson(rate), obs=x)


def chi_squared_guide(x):
    pyro.sample("rate", dist.Chi2(positive("df", 2.0)))


PAIRS = {
    "Beta": (coins, coins_guide, COINS),
    "Gamma": (counts, counts_guide, COUNTS),
    "Gamma in a plate": (own_rates, own_rates_guide, COUNTS),
    "Dirichlet": (mixture, mixture_guide, PLACES),
    "StudentT and InverseGamma": (tails, tails_guide, PLACES),
    "Chi2": (chi_squared, chi_squared_guide, COUNTS),
}


@pytest.mark.thin(12)
@pytest.mark.parametrize("elbo", [Trace_ELBO(num_particles=2), TraceGraph_ELBO()])
@pytest.mark.parametrize("name", PAIRS)
def test_the_captured_step_is_the_plain_step(name, elbo):
    model, guide, x = PAIRS[name]
    with a_capture(model, guide, (x,), as_objective(elbo)) as (captured, program, rows):
        assert captured.noise
        assert equal_on_fresh_inputs(captured, program, rows)


def test_a_normal_guide_of_a_model_with_gammas():
    with a_capture(counts, AutoNormal, (COUNTS,)) as parts:
        assert equal_on_fresh_inputs(*parts)


def exact_losses(name):
    """Minus the bound that the guide starts from, in nats."""
    if name == "Beta":
        ones, zeros = COINS.sum(), (1 - COINS).sum()
        prior, posterior = dist.Beta(10.0, 10.0), dist.Beta(10 + ones, 10 + zeros)
        start, at = dist.Beta(15.0, 15.0), torch.tensor(0.4)
        likelihood = dist.Bernoulli(at).log_prob(COINS).sum()
    else:
        prior, posterior = dist.Gamma(2.0, 1.5), dist.Gamma(2.0 + COUNTS.sum(), 1.5 + len(COUNTS))
        start, at = dist.Gamma(6.0, 5.0), torch.tensor(0.9)
        likelihood = dist.Poisson(at).log_prob(COUNTS).sum()
    evidence = likelihood + prior.log_prob(at) - posterior.log_prob(at)
    return kl_divergence(start, posterior) - evidence, evidence, kl_divergence(start, posterior)


@pytest.fixture
def uncompiled(monkeypatch):
    """The same program without the code generator."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)


def fitted(name, **settings):
    model, guide, x = PAIRS[name]
    return zoo.fit(model, guide, x, compile=True, **settings)


def still(name, steps, seed=0):
    """Losses of steps of four replicas that move nothing, shape (replicas, steps)."""
    settings = {"lr": 1e-300, "optimizer": "sgd", "replicas": 4}
    return torch.stack([one.losses for one in fitted(name, steps=steps, seed=seed, **settings)])


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["Beta", "Gamma"])
def test_each_step_of_each_replica_has_noise_of_its_own(name, uncompiled):
    losses = still(name, 60)
    expected, _, _ = exact_losses(name)
    assert losses.unique().numel() == losses.numel()
    assert (losses.mean() - expected).abs() < ERRORS * standard_error(losses.flatten())
    correlation = torch.corrcoef(losses)
    for i, j in combinations(range(4), 2):
        assert correlation[i, j].abs() < ERRORS / losses.shape[1] ** 0.5
    assert torch.equal(still(name, 3), losses[:, :3])
    assert not torch.isin(still(name, 3, seed=9), losses).any()


def test_many_gradients_at_once_have_the_mean_of_the_bounds():
    with a_capture(coins, coins_guide, (COINS,)) as (captured, program, rows):
        found = draw_gradients(captured, program, rows, 4000)
        logs = [p.detach().clone().requires_grad_() for p in program.parameters()]
        a, b = (value.exp() for value in logs)
        loss = kl_divergence(dist.Beta(a, b), dist.Beta(16.0, 14.0))
        exact = torch.cat([g.reshape(1) for g in torch.autograd.grad(loss, logs)])
    error = standard_error(found.gradients)
    assert ((found.gradients.mean(0) - exact).abs() < ERRORS * error).all()


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 3])
def test_machine_code_finds_the_posterior_and_its_evidence(replicas):
    _, evidence, gap = exact_losses("Beta")
    settings = {"steps": 6000, "lr": 0.01, "lr_schedule": Cosine(6000), "seed": 1}
    fits, again = (fitted("Beta", replicas=replicas, **settings) for _ in range(2))
    for one, other in zip(fits, again, strict=True):
        assert one.backend == "compiled"
        assert torch.equal(one.losses, other.losses)
        a, b = (value.exp() for value in one.program.parameters())
        left = kl_divergence(dist.Beta(a, b), dist.Beta(16.0, 14.0)).detach()
        assert left < 0.05 * gap
        end = one.losses[-200:]
        assert (end.mean() + evidence).abs() < 0.05 * gap + ERRORS * standard_error(end)
    for one, other in combinations(fits, 2):
        assert not (one.losses == other.losses).any()
