"""The stratified ELBO: the ELBO of a mixture and its gradient, by quadrature."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, built, scatter, step_of

from guides import Mixture
from zoo.distributions import MixtureOfNormals
from zoo.objectives import Stratified, Trace
from zoo.objectives.stratified import weights_of
from zoo.traces import run

X = torch.tensor([1.5]).double()
GRID = torch.linspace(-12.0, 12.0, 20_001).double()[:, None]
REPEATS = 300


def curved(x):
    """Two modes: x sees the square of z."""
    z = pyro.sample("z", dist.Normal(torch.zeros(1), 2.0).to_event(1))
    pyro.sample("x", dist.Normal(z.square(), 1.0).to_event(1), obs=x)


def exact_loss(guide):
    """Minus the ELBO, as a sum over a grid."""
    q = MixtureOfNormals(guide.logits, guide.loc, guide.unconstrained_scale.exp().log1p())
    log_q = q.log_prob(GRID)
    log_p = dist.Normal(0.0, 2.0).log_prob(GRID) + dist.Normal(GRID.square(), 1.0).log_prob(X)
    return -(log_q.exp() * (log_p.sum(-1) - log_q)).sum() * (GRID[1] - GRID[0])[0]


@pytest.mark.parametrize("objective", [Stratified(), Stratified(5), Trace(5)], ids=str)
def test_loss_and_gradient_are_exact_on_average(objective):
    with built(curved, partial(Mixture, components=2), objective, (X,)) as program:
        scatter(program.guide, spread=0.3)
        program.guide.unconstrained_scale.data += 2.0
        steps = [step_of(program, (X,), seed=seed) for seed in range(REPEATS)]
        exact = exact_loss(program.guide)
        parameters = dict(program.guide.named_parameters(prefix="guide"))
        wanted = torch.autograd.grad(exact, list(parameters.values()))
    found = {name: torch.stack([grads[name] for _, grads in steps]) for name in parameters}
    values = torch.stack([value for value, _ in steps])
    assert (values.mean() - exact).abs() < ERRORS * values.std() / REPEATS**0.5
    for truth, grads in zip(wanted, found.values(), strict=True):
        error = grads.std(0) / REPEATS**0.5
        assert ((grads.mean(0) - truth).abs() < ERRORS * error + IDENTITY).all()


def test_the_weights_vary_less_than_by_single_draws():
    """At equal evaluations: four draws of each of two components, or eight of the mixture."""
    spread = {}
    for objective in (Stratified(4), Trace(8)):
        with built(curved, partial(Mixture, components=2), objective, (X,)) as program:
            program.guide.loc.data.copy_(torch.tensor([[-1.2], [1.2]]))
            steps = [step_of(program, (X,), seed=seed)[1] for seed in range(100)]
        spread[type(objective)] = torch.stack([g["guide.logits"] for g in steps]).std(0).max()
    assert spread[Stratified] < spread[Trace]


def test_a_guide_without_a_mixture_is_refused():
    def normal(x):
        pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))

    with pytest.raises(ValueError, match="draws one zoo.distributions.MixtureOfNormals; got 0"):
        weights_of(run(curved, normal, (X,), {}))
