"""Scans in captured steps: one loop, with the values and the gradients of the plain step."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from steps import a_capture, a_program, equal_on_fresh_inputs, interpreted
from torch import nn
from torch.nn import functional

import zoo
from guides import MeanField
from zoo.compile.capture import capture
from zoo.compile.scans.loop import with_loops
from zoo.compile.scans.operation import OPERATION, as_an_operation
from zoo.compile.step_loop import convolves
from zoo.compile.verify import CaptureError
from zoo.handlers.scan import scans_run_by
from zoo.objectives import IWAE, Trace

X = torch.linspace(-1.0, 2.0, 40)


def garch(y):
    """A stranger's model: the variance follows its past."""
    base = pyro.sample("base", dist.HalfNormal(1.0))
    share = pyro.sample("share", dist.Uniform(0.0, 1.0))

    def step(variance, square):
        variance = base + 0.9 * (share * square + (1 - share) * variance)
        return variance, variance

    squares = y.square().expand(*base.shape, len(y)).movedim(-1, 0)
    _, variances = zoo.scan(step, torch.ones_like(base), squares)
    scale = variances.movedim(0, -1).sqrt()
    pyro.sample("y", dist.Normal(torch.zeros_like(scale), scale).to_event(1), obs=y)


class Recurrent(nn.Module):
    """A network that reads noise of all times; its carry has a counter."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(2, 3).double()
        self.register_buffer("decay", torch.tensor(0.9))

    def forward(self, x):
        noise = pyro.sample("noise", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(2))

        def step(carry, e):
            state, count = carry
            state = self.decay * self.cell(e[None], state)
            return (state, count + 1), (state.sum(), count)

        _, (path, count) = zoo.scan(step, (torch.zeros(1, 3), torch.tensor(0)), noise)
        path = path + 0.1 * count
        pyro.sample("x", dist.Normal(path, 1.0).to_event(1), obs=x)


def only_the_last(x):
    """Without y, and with a part of f that writes in place."""
    weight = pyro.sample("weight", dist.Normal(torch.zeros(3), 1.0).to_event(1))

    def step(state, e):
        state = state.clone()
        state[0] += e
        return torch.tanh(weight * state.roll(1)), None

    last, _ = zoo.scan(step, torch.zeros(3), x)
    pyro.sample("x", dist.Normal(last.sum(), 1.0).expand(x.shape).to_event(1), obs=x)


def nested(x):
    """A scan in a scan; the inner one reads what the outer one carries."""
    pull = pyro.sample("pull", dist.Normal(0.0, 1.0))

    def row(level, e):
        last, _ = zoo.scan(lambda c, v: (torch.sin(pull * c + v * level), None), level, e)
        return last, last

    _, path = zoo.scan(row, torch.ones(()), x.reshape(8, 5))
    pyro.sample("x", dist.Normal(path.repeat_interleave(5), 1.0).to_event(1), obs=x)


def independent(x):
    """Nothing of a gradient flows through the scan, and its xs lie in memory backwards."""
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    ramp, _ = zoo.scan(lambda c, v: (c + v.reshape(4).sum(), None), torch.zeros(()), flipped(x))
    pyro.sample("x", dist.Normal(mean + ramp, 1.0).expand(x.shape).to_event(1), obs=x)


def flipped(x):
    return x.reshape(2, 2, 10).movedim(-1, 0).flip(0)


MODELS = {
    "garch": lambda: garch,
    "recurrent": Recurrent,
    "only_the_last": lambda: only_the_last,
    "nested": lambda: nested,
    "independent": lambda: independent,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_captured_scan_is_the_plain_step(name):
    with a_capture(MODELS[name](), MeanField, (X,)) as (captured, program, rows):
        assert captured.pieces.graph.find_nodes(op="call_function", target=OPERATION)
        assert equal_on_fresh_inputs(captured, program, rows)
        lowered = captured.__class__(with_loops(captured.pieces), captured.layout, captured.noise)
        assert not lowered.pieces.graph.find_nodes(op="call_function", target=OPERATION)
        assert equal_on_fresh_inputs(lowered, program, rows)


def test_a_bound_of_several_draws():
    with a_capture(garch, MeanField, (X,), IWAE(3)) as (captured, program, rows):
        assert equal_on_fresh_inputs(captured, program, rows)


def test_the_program_does_not_grow_with_the_times():
    sizes = []
    for times in (40, 400):
        x = torch.linspace(-1.0, 2.0, times)
        with a_capture(garch, MeanField, (x,), Trace()) as (captured, _, _):
            sizes.append(len(captured.pieces.graph.nodes))
    assert sizes[0] == sizes[1]


def test_second_derivatives_are_those_of_the_loop():
    def curvature(pull):
        def step(c, e):
            return torch.tanh(pull * c + e), pull * c.square()

        last, path = zoo.scan(step, torch.ones(()), X[:6])
        (slope,) = torch.autograd.grad(last + path.sum(), pull, create_graph=True)
        return torch.autograd.grad(slope, pull)[0]

    pull = torch.tensor(0.6, requires_grad=True)
    expected = curvature(pull)
    with scans_run_by(as_an_operation):
        found = curvature(pull)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0.0)
    assert expected != 0


def convolved(x):
    kernel = pyro.sample("kernel", dist.Normal(torch.zeros(1, 1, 3), 1.0).to_event(3))

    def step(row, e):
        row = torch.tanh(functional.conv1d(row, kernel, padding=1) + e)
        return row, row.sum()

    _, path = zoo.scan(step, torch.zeros(1, 1, 4), x)
    pyro.sample("x", dist.Normal(path, 1.0).to_event(1), obs=x)


def test_convolutions_in_a_scan_are_found():
    for model, found in ((convolved, True), (garch, False)):
        with a_capture(model, MeanField, (X,)) as (captured, program, rows):
            assert convolves(captured) is found
            assert equal_on_fresh_inputs(captured, program, rows)


def drawing(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    path, _ = zoo.scan(lambda c, v: (c + torch.randn(()) * v, None), mean, x)
    pyro.sample("x", dist.Normal(path, 1.0).expand(x.shape).to_event(1), obs=x)


def reading(x):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    path, _ = zoo.scan(lambda c, v: (c + (v if c > 0 else -v), None), mean, x)
    pyro.sample("x", dist.Normal(path, 1.0).expand(x.shape).to_event(1), obs=x)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (drawing, r"function of a scan draws random numbers of shape \(\)"),
        (reading, r"values of a tensor are read"),
    ],
)
def test_what_cannot_be_a_loop_is_refused(model, said):
    with a_program(model, MeanField, (X,)) as parts, pytest.raises(CaptureError, match=said):
        capture(*parts)


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)


def seeded(name):
    torch.manual_seed(1)
    return MODELS[name]()


@pytest.mark.parametrize("name", ["garch", "recurrent", "nested"])
def test_replicas_are_the_fits_alone(name, uncompiled):
    settings = {"steps": 3, "compile": True, "lr": 0.1}
    beside, other = zoo.fit(seeded(name), MeanField, X, seed=0, replicas=2, **settings)
    alone = zoo.fit(seeded(name), MeanField, X, seed=0, **settings)
    assert beside.backend == "compiled"
    assert not torch.equal(other.losses, beside.losses)
    torch.testing.assert_close(beside.losses[0], alone.losses[0], rtol=1e-10, atol=0.0)


@pytest.mark.parametrize("replicas", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_a_compiled_loop_trains_to_the_numbers_of_the_steps(replicas, monkeypatch):
    settings = {"steps": 20, "compile": True, "lr": 0.1, "replicas": replicas}
    compiled = zoo.fit(garch, MeanField, X, seed=0, **settings)
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    stepwise = zoo.fit(garch, MeanField, X, seed=0, **settings)
    for one, other in zip(compiled, stepwise, strict=True):
        assert one.backend == "compiled"
        torch.testing.assert_close(one.losses, other.losses, rtol=1e-8, atol=0.0)
