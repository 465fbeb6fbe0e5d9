"""How far a captured step may be from the plain one: the tolerance, and float32's own rounding."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from steps import a_capture

from guides import IAF, AmortisedDiscrete
from zoo.compile.capture import capture
from zoo.compile.verify import CaptureError, Claim, first_difference, step_in_double, verify
from zoo.copies import copied_as_it_stands
from zoo.isolation import isolated
from zoo.latents import describe
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.objectives import LeaveOneOut
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.task import load
from zoo.training.run import prepare

PLAIN = torch.tensor([1.0, -2.0], dtype=torch.float32)


@contextmanager
def in_single():
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(torch.float64)


def off(relative):
    return {"a": PLAIN * (1 + relative)}


def test_within_the_tolerance_nothing_else_is_asked():
    assert first_difference(off(0.5e-5), {"a": PLAIN}) is None
    assert first_difference(off(3e-5), {"a": PLAIN}) == "a"


def test_a_mask_is_compared():
    mask = torch.tensor([True, False])
    assert first_difference({"buffer mask": mask}, {"buffer mask": mask}) is None
    assert first_difference({"buffer mask": ~mask}, {"buffer mask": mask}) == "buffer mask"


@pytest.mark.parametrize(
    ("wrong", "rounding", "found"),
    [(3e-5, 1e-5, None), (3e-5, 1e-7, "a"), (5e-4, 5e-4, None), (5e-3, 1e-1, "a")],
)
def test_a_difference_of_the_size_of_the_rounding_is_allowed_up_to_a_thousandth(
    wrong, rounding, found
):
    exact = {"a": PLAIN.double() * (1 + rounding)}
    assert first_difference(off(wrong), {"a": PLAIN}, exact) == found


def test_a_gradient_that_cancels_keeps_the_rounding_of_the_others():
    large, tiny = torch.tensor([1.0, 3.0]), torch.tensor([1e-9])
    plain = {"gradient of a": large, "gradient of b": tiny}
    for wrong, found in ((1e-16, None), (1e-14, "gradient of b")):
        assert first_difference(plain | {"gradient of b": tiny + wrong}, plain) == found
    assert first_difference({"b": tiny + 1e-16}, {"b": tiny}) == "b"


def test_a_gradient_that_float32_cannot_hold_to_the_tolerance_is_captured(monkeypatch):
    """A small difference of large numbers: without the allowance it is refused."""
    with in_single(), isolated(seed=0):
        usual = load("sigmoid_belief")
        task = replace(usual, build=lambda: SigmoidBeliefNet(64, (200,), (200, 200)))
        settings = Settings(LeaveOneOut(2), 1, Update(), 100, 0)
        trainer = prepare(task, AmortisedDiscrete, settings, "cpu", None).trainer
        parts = trainer.program, trainer.rows, trainer.parameters
        found = capture(*parts)
        monkeypatch.setattr("zoo.compile.verify.ROUNDING_ERRORS", 0.0)
        with pytest.raises(CaptureError, match=r"gradient of guide\."):
            verify(Claim(found.graph, found.layout, found.noise), *parts)


def test_the_step_in_double_is_the_step(device):
    """In float64 it is the plain step itself, and the program is left alone."""
    with isolated(seed=0):
        x = torch.bernoulli(torch.full((8, 5), 0.4)).to(device)
        model = BernoulliLatent(5, (4,), 3)
        with a_capture(model, AmortisedDiscrete, (x,), device=device) as (found, program, rows):
            before = {name: p.clone() for name, p in program.named_parameters()}
            noise = [torch.rand(spec.shape) for spec in found.noise] if found.noise else []
            step = torch.zeros((), device=device)
            exact = step_in_double(program, rows, found.layout, step, None, noise)
            assert exact is not None
            assert all(value.dtype == torch.float64 for value in exact.values())
            assert all(torch.equal(before[n], p) for n, p in program.named_parameters())


def test_a_flow_that_has_run_is_copied_without_what_its_run_left():
    """Pyro's flows keep their last points on the graph of the run, which torch does not copy."""
    task = load("banana")
    guide = IAF(describe(task.build(), *task.data.train))
    with isolated(seed=0):
        first = guide(*task.data.train)
    twin = copied_as_it_stands(guide).double()
    with isolated(seed=0):
        again = twin(*task.data.train)
    assert first.keys() == again.keys()
    torch.testing.assert_close(list(again.values()), list(first.values()))
    assert all(not p.grad_fn for p in twin.parameters())
