"""Exact gradients of bounds: sums over states against the same sums written another way."""

import pytest
import torch
from cases import ERRORS, IDENTITY, built, flat, relative_error
from exact_bounds import BITS, ciwae, elbo, iwae, largest, of_states, two_causes

from guides import AmortisedDiscrete
from zoo.data import keep
from zoo.data.batches import Batches
from zoo.gradients.exact import count_states, exact_gradient
from zoo.gradients.fixed_program import FixedProgram
from zoo.gradients.sampler import sampler
from zoo.objectives import Enumerate, LeaveOneOut, Thermodynamic, Trace
from zoo.objectives.target import Compromise, Elbo, Inclusive, Largest, PowerMean

BOUNDS = {
    "elbo": (Elbo(), elbo),
    "iwae, 1": (PowerMean(1), elbo),
    "iwae, 3": (PowerMean(3), iwae(3)),
    "ciwae": (Compromise(2, 0.3), ciwae(0.3)),
    "largest": (Largest(2), largest),
}


def a_pair(objective=None):
    return built(two_causes(), AmortisedDiscrete, objective or Trace(), (BITS,))


@pytest.mark.parametrize("name", BOUNDS)
def test_the_sum_is_the_bound_s_gradient(name):
    bound, other = BOUNDS[name]
    with a_pair() as program:
        one = FixedProgram(program, Batches((BITS,), keep, None))
        value = -other(of_states(program, BITS))
        exact = flat(torch.autograd.grad(value, one.parameters))
        assert relative_error(exact_gradient(one, bound), exact) < IDENTITY


def test_it_is_the_gradient_that_enumerate_gives():
    with a_pair(Enumerate()) as program:
        one = FixedProgram(program, Batches((BITS,), keep, None))
        found = one.sampler(2)
        assert relative_error(exact_gradient(one, Elbo()), found[0]) < IDENTITY


def test_the_inclusive_divergence_by_its_definition():
    with a_pair() as program:
        one = FixedProgram(program, Batches((BITS,), keep, None))
        log_p, log_q, _ = of_states(program, BITS)
        posterior = log_p.softmax(-1).detach()
        kl = (posterior * (posterior.log() - log_q)).sum()
        grads = torch.autograd.grad(kl - log_p.logsumexp(-1).sum(), one.parameters)
        assert relative_error(exact_gradient(one, Inclusive()), flat(grads)) < IDENTITY


def test_the_thermodynamic_bound_in_one_strip_is_the_elbo():
    bound = Thermodynamic(partitions=1).target.model
    with a_pair() as program:
        one = FixedProgram(program, Batches((BITS,), keep, None))
        exact = exact_gradient(one, Elbo())
        assert relative_error(exact_gradient(one, bound), exact) < IDENTITY


def test_only_what_can_be_summed_is_counted():
    with a_pair() as program:
        assert count_states(program.latents, program.guide) == 4
    assert PowerMean(5).terms(4) == 4**5
    assert Inclusive().terms(4) == 4


def test_a_step_that_cannot_be_captured_is_drawn_one_by_one():
    class Loud(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = two_causes()

        def forward(self, x):
            if x.sum().item() > 0:
                return self.model(x)
            return None

    with built(Loud(), AmortisedDiscrete, LeaveOneOut(), (BITS,)) as program:
        one = FixedProgram(program, Batches((BITS,), keep, None))
        with pytest.warns(UserWarning, match="drawn one by one"):
            some, layout = sampler(program, one.rows, one.parameters)
        found = some(400)
        assert list(layout.names) == one.names
        exact = exact_gradient(one, Elbo())
        error = found.std(0) / 400**0.5
        assert ((found.mean(0) - exact).abs() <= ERRORS * error + 1e-12).all()
