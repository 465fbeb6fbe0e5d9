"""Estimators that score a draw a second time, under guides whose density inverts a flow."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import (
    AUTODIFF,
    ERRORS,
    IDENTITY,
    MODEL_CASES,
    built,
    flat,
    relative_error,
    scatter,
    standard_error,
    step_of,
)
from pyro.infer.autoguide import AutoIAFNormal
from steps import a_capture, a_program, equal_on_fresh_inputs

import zoo
from guides import IAF, NAF, AmortisedIAF, PlanarFlow, RealNVP, SplineFlow
from zoo.compile.verify import CaptureError
from zoo.gradients.sampler import gradient_draws
from zoo.objectives import (
    CIWAE,
    IWAE,
    PIWAE,
    VIMCO,
    DoublyReparameterised,
    LeaveOneOut,
    Reinforce,
    StickingTheLanding,
    TailAdaptive,
    Thermodynamic,
    Trace,
)
from zoo.traces import Assign, run

FLOWS = [
    *(("logistic_regression", IAF), ("eight_schools", IAF), ("gaussian_vae", AmortisedIAF)),
    *(("eight_schools", family) for family in (PlanarFlow, RealNVP, SplineFlow, NAF)),
]


def bent(program):
    """Moves the flow far from the identity."""
    scatter(program.guide, spread=0.5, seed=5)
    return program


@pytest.mark.parametrize(("model", "family"), FLOWS)
def test_an_inverted_flow_has_the_density_that_the_draw_had(model, family):
    """The draw's own density inverts nothing; the inverse of steep couplings enlarges rounding."""
    made, args = MODEL_CASES[model].make()
    with built(made, family, Trace(), args) as program, constant_copy(made, family, args) as other:
        first = run(program.model, bent(program).guide, args, {}).guide
        with Assign({name: first.nodes[name]["value"] for name in first.stochastic_nodes}):
            again = run(program.model, bent(other).guide, args, {}).guide
    within = AUTODIFF if family is RealNVP else IDENTITY
    assert again.log_prob_sum().item() == pytest.approx(first.log_prob_sum().item(), rel=within)


def constant_copy(made, family, args):
    """The same program again, whose flow remembers no draw."""
    return built(made, family, Trace(), args)


def landing_by_hand(program, other, args):
    """Gradient of log p(z) - log q(z) along z alone: q is the constant_copy's."""
    program.zero_grad(set_to_none=True)
    torch.manual_seed(0)
    first = run(program.model, program.guide, args, {}).guide
    with Assign({name: first.nodes[name]["value"] for name in first.stochastic_nodes}):
        q = run(program.model, other.guide, args, {})
    loss = q.guide.log_prob_sum() - q.model.log_prob_sum()
    return flat(torch.autograd.grad(loss, list(program.guide.parameters())))


@pytest.mark.parametrize(
    "objective",
    [StickingTheLanding(), DoublyReparameterised(1), TailAdaptive(2, beta=0.0)],
    ids=str,
)
@pytest.mark.parametrize(("model", "family"), FLOWS)
def test_the_path_derivative_of_a_flow_by_hand(model, family, objective):
    made, args = MODEL_CASES[model].make()
    if isinstance(objective, TailAdaptive):
        one, two = objective, StickingTheLanding(2)
        found = []
        for each in (one, two):
            with built(made, family, each, args) as program:
                found.append(flat(step_of(bent(program), args)[1].values()))
        assert relative_error(*found) < IDENTITY
        return
    with (
        built(made, family, objective, args) as program,
        constant_copy(made, family, args) as other,
    ):
        _, grads = step_of(bent(program), args)
        ours = flat(grads[name] for name, _ in program.named_parameters() if "guide" in name)
        assert relative_error(ours, landing_by_hand(program, bent(other), args)) < IDENTITY


SAME_MEAN = {
    "elbo": (Trace(2), [StickingTheLanding(2), LeaveOneOut(4), Reinforce(4)]),
    "iwae": (IWAE(3), [DoublyReparameterised(3), VIMCO(3)]),
    "elbo, by its limits": (Trace(2), [CIWAE(2, beta=1.0), Thermodynamic(4, partitions=1)]),
}


def two_normals():
    """Two places with a sum that is known: a flow of two values, inverted in two passes."""
    z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    pyro.sample("x", dist.Normal(z.sum(-1), 0.5), obs=torch.tensor(1.0))


@pytest.mark.thorough
@pytest.mark.parametrize("name", SAME_MEAN)
def test_the_mean_gradient_is_that_of_the_plain_estimator(name):
    plain, others = SAME_MEAN[name]
    exact = gradients(plain)
    for objective in others:
        found = gradients(objective)
        error = (standard_error(found) ** 2 + standard_error(exact) ** 2).sqrt()
        distance = (found.mean(0) - exact.mean(0)).abs()
        assert (distance <= ERRORS * error + IDENTITY).all(), objective
        assert error.norm() < 0.3 * exact.mean(0).norm()


def gradients(objective):
    with a_program(two_normals, partial(IAF, depth=1, hidden=4), (), objective) as found:
        return gradient_draws(bent(found[0]), found[1], 2000).gradients


@pytest.mark.parametrize(("model", "family"), FLOWS)
def test_piwae_of_one_group_is_iwae(model, family):
    made, args = MODEL_CASES[model].make()
    found = []
    for objective in (PIWAE(1, 3), IWAE(3)):
        with built(made, family, objective, args) as program:
            found.append(flat(step_of(bent(program), args)[1].values()))
    assert relative_error(*found) < IDENTITY


def test_pyros_own_flow_is_right_and_falls_back_to_the_plain_step(monkeypatch):
    made, args = MODEL_CASES["logistic_regression"].make()
    found = []
    for objective in (PIWAE(1, 3), IWAE(3)):
        with built(made, AutoIAFNormal, objective, args) as program:
            found.append(flat(step_of(program, args)[1].values()))
    assert relative_error(*found) < IDENTITY
    with pytest.raises(CaptureError, match="cannot be traced"):
        with a_capture(made, AutoIAFNormal, args, LeaveOneOut()):
            pass
    monkeypatch.setattr("zoo.training.backend.AUTO_STEPS", 1)
    with pytest.warns(UserWarning, match="goes on with the plain step"):
        fitted = zoo.fit(made, AutoIAFNormal, *args, objective=LeaveOneOut(), steps=3)
    assert (fitted.backend, len(fitted.losses)) == ("plain", 3)


@pytest.mark.thin(3)
@pytest.mark.parametrize("objective", [StickingTheLanding(), LeaveOneOut(), VIMCO(3)], ids=str)
def test_a_flow_is_captured_although_it_is_inverted(objective):
    made, args = MODEL_CASES["logistic_regression"].make()
    with a_capture(made, IAF, args, objective) as found:
        assert equal_on_fresh_inputs(*found)
