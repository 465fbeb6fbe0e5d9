"""Measure-valued derivatives against exact gradients, for each family and support."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    built,
    flat,
    relative_error,
    standard_error,
    step_of,
    unvectorised,
)
from estimates import unbiased
from exact_bounds import BITS, REALS, elbo, of_nodes, of_states, one_factor, two_causes
from network_of_causes import batch_gradients, exact_gradient
from steps import a_program
from test_estimators_paths import of_guide
from torch.distributions import constraints

from guides import AmortisedDiscrete, AmortisedNormal, MeanField
from zoo.gradients.sampler import gradient_draws
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.objectives import LeaveOneOut, Trace
from zoo.objectives.measure_valued import MeasureValued


@pytest.mark.parametrize("setting", [0, 1], ids=["Bernoulli", "Normal"])
def test_the_measure_valued_gradient_is_exact(setting):
    model, guide, x, parts = (
        (two_causes, AmortisedDiscrete, BITS, of_states),
        (one_factor, AmortisedNormal, REALS, of_nodes),
    )[setting]
    with built(model(), guide, MeasureValued(), (x,)) as program:
        exact = exact_gradient(program, lambda p, x: elbo(parts(p, x)), x)
        found = batch_gradients(program, x)
    assert unbiased(found, exact)


def test_one_bernoulli_latent_leaves_no_noise():
    with built(
        BernoulliLatent(3, (8,), 1), AmortisedDiscrete, MeasureValued(), (BITS,)
    ) as program:
        exact = exact_gradient(program, lambda p, x: elbo(of_states(p, x)), BITS)
        skip = sum(p.numel() for p in program.model.parameters())
        found = of_guide(step_of(program, (BITS,))[1])
    assert relative_error(found, exact[skip:]) < IDENTITY


def counts(x):
    """Two counts a row, with normal noise."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Poisson(x.new_tensor([2.0, 1.0])).to_event(1))
        pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)


def poisson_guide(x):
    rate = pyro.param("rate", x.new_tensor([3.0, 0.7]), constraint=constraints.positive)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Poisson(rate).to_event(1))


def test_poisson_latents_against_closed_form():
    x = torch.tensor([[2.0, 1.5], [4.0, 0.0]])
    with built(counts, poisson_guide, MeasureValued(), (x,)) as program:
        assert program.objective.evaluations(program.latents) == 5
        (unconstrained,) = program.store.values
        rate, prior = unconstrained.exp(), torch.tensor([2.0, 1.0])
        fit = -((x - rate) ** 2 + rate) / 2
        kl = rate * (rate / prior).log() - rate + prior
        (exact,) = torch.autograd.grad(-(fit - kl).sum(), unconstrained)
        found = torch.stack(
            [step_of(program, (x,), seed=i)[1]["store.values.0"] for i in range(500)]
        )
        assert unbiased(found, exact)


def mean_of_all(x):
    """One place z and one more, common to all rows: x_n ~ N(z_0 + z_1, 1)."""
    z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z.sum(-1, keepdim=True), 1.0), obs=x)


@pytest.mark.thorough
def test_measure_valued_under_shared_latents():
    x = torch.tensor([1.0, 2.0, -0.5])
    with a_program(mean_of_all, MeanField, (x,), MeasureValued()) as (program, rows, _):
        assert program.objective.evaluations(program.latents) == 9
        m = program.guide.loc[0]
        s = torch.nn.functional.softplus(program.guide.unconstrained_scale[0])
        fit = -((x - m.sum()) ** 2 + s.square().sum()).sum() / 2
        kl = ((m**2 + s**2) / 2 - s.log()).sum()
        exact = flat(torch.autograd.grad(-(fit - kl), [m, program.guide.unconstrained_scale[0]]))
        draws = gradient_draws(program, rows, 1500)
    found, names = draws.gradients, draws.layout.names
    assert names == ("guide.loc.0", "guide.unconstrained_scale.0")
    assert unbiased(found, exact)


@pytest.mark.parametrize("latent", ["discrete", "continuous"])
def test_measure_valued_has_less_noise_than_reinforce(latent):
    model, guide, x = (two_causes, AmortisedDiscrete, BITS)
    if latent == "continuous":
        model, guide, x = one_factor, AmortisedNormal, REALS
    noise = []
    for objective in (MeasureValued(), LeaveOneOut(5)):
        with built(model(), guide, objective, (x,)) as program:
            skip = sum(p.numel() for p in program.model.parameters())
            assert objective.evaluations(program.latents) == 5
            noise.append(batch_gradients(program, x, 30, 100)[:, skip:].var(0).sum())
    assert noise[0] < noise[1]


def test_measure_valued_with_particles_in_a_loop():
    with built(two_causes(), AmortisedDiscrete, MeasureValued(), (BITS,)) as program:
        wide, loop = step_of(program, (BITS,)), step_of(unvectorised(program), (BITS,))
    assert relative_error(flat(wide[1].values()), flat(loop[1].values())) < IDENTITY


def rates(x):
    """A rate, and two more values of which one share is left: z = T(u) on each support."""
    rate = pyro.sample("rate", dist.LogNormal(x.new_zeros(()), 1.0))
    share = pyro.sample("share", dist.Dirichlet(x.new_ones(3)))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(rate * share[..., :1].squeeze(-1), 1.0), obs=x)


@pytest.mark.thorough
def test_measure_valued_on_other_supports_agrees_with_reparameterisation():
    """A number and a point of the simplex: (1 + 2) coordinates with two parameters each."""
    x, means = torch.tensor([1.0, 2.0, -0.5]), []
    for objective in (MeasureValued(), Trace(1)):
        with a_program(rates, MeanField, (x,), objective) as (program, rows, _):
            if isinstance(objective, MeasureValued):
                assert objective.evaluations(program.latents) == 1 + 2 * 2 * (1 + 2)
            means.append(gradient_draws(program, rows, 1500).gradients)
    error = (standard_error(means[0]) ** 2 + standard_error(means[1]) ** 2).sqrt()
    assert ((means[0].mean(0) - means[1].mean(0)).abs() < ERRORS * error).all()
    assert standard_error(means[0]).norm() < 0.2 * means[0].mean(0).norm()


def test_other_distributions_are_refused_by_name():
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Gamma(x.new_tensor([2.0, 1.0]), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    def guide(x):
        rate = pyro.param("rate", x.new_ones(()), constraint=constraints.positive)
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Gamma(rate, 1.0).expand([2]).to_event(1))

    with built(model, guide, MeasureValued(), (REALS[:, :2],)) as program:
        with pytest.raises(ValueError, match="Normal or Bernoulli or Poisson; 'z' is drawn from"):
            step_of(program, (REALS[:, :2],))
