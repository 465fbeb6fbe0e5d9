"""Objectives that others wrote: classes that descend from Pyro's, and plain loss functions."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY, MODEL_CASES, built, clock, guide_of
from pyro import poutine
from pyro.infer import (
    ELBO,
    JitTrace_ELBO,
    JitTraceEnum_ELBO,
    JitTraceGraph_ELBO,
    JitTraceMeanField_ELBO,
    Trace_ELBO,
)
from steps import a_capture, interpreted
from torch.distributions import constraints
from torch.testing import assert_close

import zoo
from guides import MeanField
from zoo.objectives import LossFunction, PyroELBO, Trace, as_objective
from zoo.objectives.target import Target

X = torch.linspace(0.0, 2.0, 8)
NO_BOUND = Target(None, None)


def shifted(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 3.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def simple_elbo(model, guide, *args, **kwargs):
    """As in Pyro's tutorial on objectives of one's own."""
    guide_trace = poutine.trace(guide).get_trace(*args, **kwargs)
    replayed = poutine.trace(poutine.replay(model, trace=guide_trace))
    model_trace = replayed.get_trace(*args, **kwargs)
    return -1 * (model_trace.log_prob_sum() - guide_trace.log_prob_sum())


class Doubled(Trace_ELBO):
    """Changes what SVI calls, and nothing else."""

    def loss_and_grads(self, model, guide, *args, **kwargs):
        loss = 2 * simple_elbo(model, guide, *args, **kwargs)
        loss.backward()
        return loss.item()


class Own(ELBO):
    """Has nothing but what SVI calls, and what Pyro's class asks for."""

    def _get_trace(self, *given):
        raise AssertionError

    def loss_and_grads(self, model, guide, *args, **kwargs):
        loss = 3 * simple_elbo(model, guide, *args, **kwargs)
        loss.backward()
        return loss.item()


def step_of(objective):
    made, args = MODEL_CASES["eight_schools"].make()
    with built(made, guide_of("mean_field"), as_objective(objective), args) as program:
        torch.manual_seed(0)
        loss = program.backward(clock(), None, *args)
        return loss, torch.cat([p.grad.reshape(-1) for p in program.parameters()])


@pytest.mark.parametrize(("objective", "times"), [(simple_elbo, 1), (Doubled(), 2), (Own(), 3)])
def test_the_step_is_theirs(objective, times):
    """Each is a multiple of the ELBO, so that its step is known."""
    (loss, gradient), (elbo, slope) = step_of(objective), step_of(Trace())
    assert_close(loss, times * elbo, rtol=IDENTITY, atol=0.0)
    assert_close(gradient, times * slope, rtol=IDENTITY, atol=IDENTITY)


@pytest.mark.parametrize("objective", [simple_elbo, Doubled(), Own(), lambda *_: torch.zeros(())])
def test_no_bound_is_claimed(objective):
    assert as_objective(objective).target == NO_BOUND
    assert as_objective(objective).evaluations(None) == 1


def test_a_loss_function_is_captured():
    with a_capture(shifted, MeanField, (X,), as_objective(simple_elbo)) as (captured, _, _):
        assert len(captured.noise) == 1


def test_a_capture_that_misses_what_a_class_changes_is_not_used(monkeypatch):
    """Its loss can be traced, but is not what its loss_and_grads steps on: verification tells."""
    monkeypatch.setattr("zoo.training.backend.AUTO_STEPS", 5)
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    for objective in (Doubled(), Own()):
        with pytest.warns(UserWarning, match="The compiled path is off"):
            found = zoo.fit(shifted, MeanField, X, objective=objective, steps=6)
        plain = zoo.fit(shifted, MeanField, X, objective=objective, steps=6, compile=False)
        assert found.backend == "plain"
        assert torch.equal(found.losses, plain.losses)


@pytest.mark.parametrize(
    "kind", [JitTrace_ELBO, JitTraceGraph_ELBO, JitTraceMeanField_ELBO, JitTraceEnum_ELBO]
)
def test_jit_classes_are_told_the_compiled_path(kind):
    plain = kind.__name__.removeprefix("Jit")
    with pytest.raises(ValueError, match=rf"Pass {plain}\(\) and compile=True\.$"):
        zoo.fit(shifted, MeanField, X, objective=kind(), steps=1)


@pytest.mark.parametrize("kind", [Trace_ELBO, Trace, Own])
def test_a_class_is_told_to_be_an_instance(kind):
    with pytest.raises(ValueError, match=rf"got the class {kind.__name__}. Pass {kind.__name__}"):
        zoo.fit(shifted, MeanField, X, objective=kind, steps=1)


@pytest.mark.parametrize(("value", "got"), [(1.5, "float"), (X, r"\(8,\)")])
def test_a_loss_is_one_tensor(value, got):
    def loss(model, guide, x):
        return value

    with pytest.raises(ValueError, match=rf"loss function loss to return a tensor .* got {got}"):
        zoo.fit(shifted, MeanField, X, objective=loss, steps=1)


def test_what_wraps_them():
    assert isinstance(as_objective(simple_elbo), LossFunction)
    assert isinstance(as_objective(Own()), PyroELBO)


def test_a_loss_that_depends_on_no_parameter_is_refused():
    def still(x):
        pyro.param("place", torch.zeros(()))
        pyro.sample("mean", dist.Normal(0.0, 1.0))

    with pytest.raises(ValueError, match="depended on no parameter in 3 steps"):
        zoo.fit(shifted, still, X, steps=3)


def test_a_step_whose_loss_depends_on_none_is_taken_without_a_gradient():
    """As under Pyro's SVI: the scale is made in some steps only, and the others wait."""
    steps = iter(range(5000))

    def branch(x):
        mean = pyro.sample("mean", dist.Normal(0.0, 3.0))
        wide = pyro.param("wide", torch.ones(()), constraint=constraints.positive)
        scale = wide if next(steps) % 2 else wide.detach()
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, scale), obs=x)

    def fixed(x):
        pyro.sample("mean", dist.Normal(0.0, 1.0))

    fit = zoo.fit(branch, fixed, X, steps=20, lr=0.05, compile=False)
    with fit.program.store:
        assert pyro.param("wide") != 1
    reached = zoo.fit(branch, fixed, X, steps=121, compile=False)
    assert len(zoo.fit(branch, fixed, X, steps=140, resume=reached, compile=False).losses) == 140
