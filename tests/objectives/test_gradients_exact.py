"""Every estimator's mean gradient against the exact gradient, by enumeration or closed form."""

from functools import partial
from pathlib import Path

import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, built, clock, relative_error, scatter, standard_error
from cases_objectives import OBJECTIVE_CASES
from estimates import unbiased
from network_of_causes import (
    BATCHES,
    COPIES,
    ROWS,
    K,
    batch_gradients,
    causes,
    closed_form_elbo,
    exact_elbo,
    exact_gradient,
    exact_renyi_of_two,
    largest_z,
    linear,
    log_densities,
    minibatch_gradients,
)

from guides import AmortisedDiscrete, AmortisedNormal, Relaxed
from zoo.models.exact_sums import states
from zoo.objectives import (
    IWAE,
    OBJECTIVES,
    Enumerate,
    LeaveOneOut,
    MeanFieldKL,
    Renyi,
    StickingTheLanding,
    Trace,
    TraceGraph,
)
from zoo.optim.schedules import Constant

NOISY = {name: (case.small, case.bound) for name, case in OBJECTIVE_CASES.items() if case.bound}
NOISY |= {
    "renyi, alpha < 0": (Renyi(particles=2, alpha=-1.0), partial(exact_renyi_of_two, -1.0)),
    "trace, 3 particles": (Trace(particles=3), exact_elbo),
    "trace_graph, 3 particles": (TraceGraph(particles=3), exact_elbo),
    "nvil, 3 particles": (TraceGraph(3, OBJECTIVE_CASES["nvil"].small.baselines), exact_elbo),
    "iwae, 1 particle": (IWAE(particles=1), exact_elbo),
    "rloo, 4 particles": (LeaveOneOut(4), exact_elbo),
}
ELSEWHERE = {name: case.tests for name, case in OBJECTIVE_CASES.items() if case.tests}


def test_every_objective_has_a_case():
    assert sorted(OBJECTIVE_CASES) == sorted(OBJECTIVES)
    assert all(bool(case.bound) != bool(case.tests) for case in OBJECTIVE_CASES.values())
    for name in set(NOISY) & set(OBJECTIVES):
        assert type(NOISY[name][0]) is type(OBJECTIVES[name])


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_case_elsewhere_names_its_class(name):
    source = (Path(__file__).parent / f"{ELSEWHERE[name]}.py").read_text()
    assert f"{type(OBJECTIVES[name]).__name__}(" in source


@pytest.mark.thin(7)
@pytest.mark.parametrize("name", NOISY)
def test_the_mean_gradient_is_exact(name, device):
    objective, bound = NOISY[name]
    x = ROWS.to(device)
    with built(causes(), AmortisedDiscrete, objective, (x,), device=device) as program:
        if name.startswith("nvil"):
            warm_up(program, x)
        exact = exact_gradient(program, bound, x)
        found = batch_gradients(program, x)
        assert unbiased(found, exact)


def warm_up(program, x):
    """Gives the baselines values that matter."""
    for _ in range(5):
        program.zero_grad(set_to_none=True)
        program.backward(clock(x.device), None, x)
    assert all(part.average != 0 for part in program.state.modules() if hasattr(part, "average"))


def test_a_sum_has_no_noise(device):
    x = ROWS.to(device)
    with built(causes(), AmortisedDiscrete, Enumerate(), (x,), device=device) as program:
        exact = exact_gradient(program, exact_elbo, x)
        found = batch_gradients(program, x, batches=2, copies=1)
        loss = program(clock(device), None, x)
        assert loss.item() == pytest.approx(-exact_elbo(program, x).item(), rel=IDENTITY)
        assert relative_error(found[0], exact) < IDENTITY
        assert torch.equal(found[0], found[1])


def test_the_baselines_lower_the_variance():
    x, spread = ROWS, {}
    for name in ("trace_graph", "nvil"):
        with built(causes(), AmortisedDiscrete, NOISY[name][0], (x,)) as program:
            program.state.train()
            warm_up(program, x.repeat(COPIES, 1))
            spread[name] = batch_gradients(program, x).var(0).sum()
    assert spread["nvil"] < spread["trace_graph"]


def exact_fit(program, x):
    """E_q log p(x | z), the bound without its KL term."""
    log_p, log_q = log_densities(program, x)
    prior = dist.Bernoulli(logits=program.model.prior_logits).log_prob(states(K).to(x)).sum(-1)
    return (log_q.exp() * (log_p - prior)).sum()


def bias(straight_through, temperature, bound, weight):
    """Length of the gradient's bias along its own direction, and the standard error.

    The direction comes from one half of the draws and the length from the other, so that noise
    does not count as bias.
    """
    guide = partial(Relaxed, temperature=temperature, straight_through=straight_through)
    weight = Constant(weight)
    with built(causes(), guide, Trace(), (ROWS,), kl_weight=weight) as program:
        scatter(program.model, spread=1.0)
        exact = exact_gradient(program, bound, ROWS)
        error = batch_gradients(program, ROWS, batches=2 * BATCHES, copies=3 * COPIES) - exact
    first, second = error[:BATCHES], error[BATCHES:]
    direction = first.mean(0) / first.mean(0).norm()
    along = second @ direction
    return along.mean(), standard_error(along)


@pytest.mark.thin(2)
@pytest.mark.parametrize("straight_through", [False, True])
def test_the_relaxed_gradient_is_biased(straight_through):
    length, error = bias(straight_through, 1.0, exact_elbo, 1.0)
    assert length > ERRORS * error


@pytest.mark.thin(2)
@pytest.mark.parametrize("straight_through", [False, True])
def test_the_bias_through_the_likelihood_falls_with_the_temperature(straight_through):
    """The KL term's does not: see the guide's own tests."""
    warm, warm_error = bias(straight_through, 1.0, exact_fit, 0.0)
    cold, cold_error = bias(straight_through, 0.2, exact_fit, 0.0)
    assert warm > ERRORS * warm_error
    assert warm - cold > ERRORS * (warm_error**2 + cold_error**2).sqrt()


@pytest.mark.thin(5)
@pytest.mark.parametrize(
    "objective",
    [Trace(), TraceGraph(), MeanFieldKL(), Trace(3), MeanFieldKL(3), IWAE(1), Renyi(1, 0.5)]
    + [StickingTheLanding(), StickingTheLanding(3), LeaveOneOut(3)],
    ids=str,
)
def test_reparameterised_gradients_against_closed_form(objective, device):
    x = torch.tensor([[1.0, -0.5, 2.0], [0.3, 0.1, -1.0]], device=device)
    with built(linear(), AmortisedNormal, objective, (x,), device=device) as program:
        exact = exact_gradient(program, closed_form_elbo, x)
        found = batch_gradients(program, x)
        assert unbiased(found, exact)


@pytest.mark.thorough
def test_a_minibatch_gradient_is_unbiased_for_all_rows():
    """Score-function gradients carry N / batch once, not twice."""
    x = ROWS.repeat(5, 1)
    for objective in (Trace(), TraceGraph(), Renyi(2, 0.5)):
        bound = NOISY["renyi"][1] if isinstance(objective, Renyi) else exact_elbo
        with built(causes(), AmortisedDiscrete, objective, (ROWS,), rows=len(x)) as program:
            exact = exact_gradient(program, bound, x)
            assert largest_z(minibatch_gradients(program, x, 400), exact) < ERRORS


@pytest.mark.thin(2)
@pytest.mark.parametrize("objective", [Trace(8), MeanFieldKL(8)], ids=str)
def test_a_minibatch_counts_the_kl_term_for_all_rows(objective):
    x = torch.tensor([[1.0, -0.5, 2.0], [0.3, 0.1, -1.0], [0.0, 2.0, 0.4], [1.0, 1.0, -1.0]])
    with built(linear(), AmortisedNormal, objective, (x[:2],), rows=len(x)) as program:
        exact = exact_gradient(program, closed_form_elbo, x)
        assert largest_z(minibatch_gradients(program, x, 300, size=2), exact) < ERRORS
