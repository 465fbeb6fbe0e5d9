"""The ways in which a captured step can be silently wrong, each with what is done about it."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import MODEL_CASES, flat
from pyro.infer import Trace_ELBO, TraceGraph_ELBO
from small_tasks import causes_task, ppca_task
from steps import (
    a_capture,
    a_program,
    equal,
    interpreted,
    run_captured,
    run_plain,
)
from torch import nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from guides import AmortisedDiscrete, AmortisedNormal, MeanField, Relaxed
from zoo.compile.capture import CaptureError, Claim, capture, example_inputs
from zoo.compile.flat_parameters import flat_parameters_of
from zoo.compile.noise import ExplicitNoise, draw_noise, replay
from zoo.compile.verify import verify
from zoo.isolation import isolated
from zoo.objectives import OBJECTIVES, Neural, TraceGraph, as_objective
from zoo.objectives.baselines import DecayingAverage
from zoo.optim.schedules import Cosine, Exponential, Linear
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.training.compiled_trainer import CompiledTrainer
from zoo.training.run import prepare

X = torch.linspace(-1.0, 2.0, 6)


def refused(model, objective=None, *, match, guide=MeanField, args=(X,)):
    with (
        a_program(model, guide, args, objective) as parts,
        pytest.raises(CaptureError, match=match),
    ):
        capture(*parts)
    return True


# 1: one tensor given as two inputs becomes one input


def test_one_tensor_as_two_inputs_is_merged_by_the_tracer():
    def add(pair):
        return pair[0] + 10 * pair[1]

    zeros = torch.zeros(2)
    merged = make_fx(add)((zeros, zeros))((torch.ones(2), torch.zeros(2)))
    apart = make_fx(add)((zeros, zeros.clone()))((torch.ones(2), torch.zeros(2)))
    assert torch.equal(apart, torch.ones(2))
    assert not torch.equal(merged, apart)


def test_inputs_that_are_one_object_stay_apart():
    """The same rows as two arguments, and one tensor as two buffers."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            shared = torch.ones(())
            self.register_buffer("first", shared)
            self.register_buffer("second", shared)

        def forward(self, x, y):
            mean = pyro.sample("mean", dist.Normal(self.first, 3 * self.second))
            pyro.sample("x", dist.Normal(mean, 1.0).expand(x.shape).to_event(1), obs=x)
            pyro.sample("y", dist.Normal(2 * mean, 1.0).expand(y.shape).to_event(1), obs=y)

    with a_program(Twice(), MeanField, (X, X)) as (program, rows, parameters):
        inputs = example_inputs(program, rows, flat_parameters_of(program, parameters))
        tensors = [*inputs[1], *inputs[0], inputs[2], inputs[3], *inputs[4]]
        kept = [tensor for tensor in tensors if tensor.numel()]
        assert len({tensor.data_ptr() for tensor in kept}) == len(kept)
        captured = capture(program, rows, parameters)
        flat, held = captured.layout.read(program)
        step, noise = torch.tensor(0.0), draw_noise(captured.noise)
        losses = [
            captured.graph(flat, held, step, inputs[3], noise, args)[0]
            for args in ((X, X), (X, X + 1), (X + 1, X))
        ]
        assert len({loss.item() for loss in losses}) == 3


def a_trainer(task, guide, objective, update=Update(), batch=None, **settings):  # noqa: B008
    asked = Settings(objective, 1, update, batch, 0, **settings)
    return prepare(task, guide, asked, "cpu", None).trainer


def test_the_moments_of_adam_stay_apart(monkeypatch):
    """Both start at zero; after some steps they are what torch's Adam has."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    with isolated(seed=0):
        trainer = CompiledTrainer(a_trainer(ppca_task(), AmortisedNormal, TraceGraph()))
        (first,), (second,) = trainer.state.moments
        assert first.data_ptr() != second.data_ptr()
        trainer.advance(3)
    (first,), (second,) = trainer.state.moments
    assert (second >= 0).all()
    assert (first < 0).any()


# 2: Python numbers are baked in; schedules move because the step is a tensor


MOVING = {
    "kl_weight": (ppca_task, AmortisedNormal, {"kl_weight": Linear(0.0, 1.0, 4)}),
    "temperature": (causes_task, partial(Relaxed, temperature=Exponential(2.0, 0.3)), {}),
    "lr_schedule": (ppca_task, AmortisedNormal, {"update": Update(lr_schedule=Cosine(5))}),
    "step count": (ppca_task, AmortisedNormal, {"update": Update("adam", lr=0.1)}),
}


@pytest.mark.thin(4)
@pytest.mark.parametrize("name", MOVING)
def test_numbers_that_move_go_on_moving(name, monkeypatch):
    """Four steps of the compiled program against four plain ones under the same noise."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    make, guide, settings = MOVING[name]
    with isolated(seed=0):
        compiled = CompiledTrainer(a_trainer(make(), guide, OBJECTIVES["trace"], **settings))
        plain = a_trainer(make(), guide, OBJECTIVES["trace"], **settings)
        plain.restore(compiled.snapshot())
        for _ in range(4):
            torch.manual_seed(plain.step)
            noise = draw_noise(compiled.captured.noise)
            torch.manual_seed(plain.step)
            compiled.advance(1)
            with ExplicitNoise(replay(noise)):
                plain.advance(1)
    assert equal(*({"all": flat(trainer.parameters)} for trainer in (compiled, plain)))


def test_a_step_number_in_python_would_be_baked_in():
    weight = Linear(0.0, 1.0, 10)
    by_tensor = make_fx(lambda step: weight(step))(torch.tensor(2.0))
    by_number = make_fx(lambda step: weight(torch.tensor(2.0)) + 0 * step)(torch.tensor(2.0))
    assert by_tensor(torch.tensor(5.0)).item() == 0.5
    assert by_number(torch.tensor(5.0)).item() == 0.2


# 3: state on the Python side is baked in; buffers come out


def test_a_python_counter_is_refused():
    class Counting(nn.Module):
        calls = 0

        def forward(self, x):
            Counting.calls += 1
            mean = pyro.sample("mean", dist.Normal(0.0, 1.0 + Counting.calls))
            pyro.sample("x", dist.Normal(mean, 1.0).expand(x.shape).to_event(1), obs=x)

    assert refused(Counting(), match="state on the Python side")


class Normed(nn.Module):
    """A decoder with BatchNorm, whose statistics are buffers."""

    def __init__(self):
        super().__init__()
        self.decoder = nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.decoder(z), 1.0).to_event(1), obs=x)


def test_statistics_of_batchnorm_come_out_updated():
    with a_capture(Normed(), AmortisedNormal, (torch.randn(6, 3),)) as (captured, program, rows):
        names = [n for n in captured.layout.held if n.endswith(("_mean", "_var", "_tracked"))]
        assert len(names) == 3
        for _ in range(3):
            before = {n: v.clone() for n, v in program.named_buffers()}
            noise = draw_noise(captured.noise)
            found = run_captured(captured, program, rows, noise)
            assert equal(found, run_plain(captured, program, rows, noise))
            assert all(not torch.equal(found[f"buffer {n}"], before[n]) for n in names)


def test_pyros_decaying_average_baseline_is_refused():
    """It lives in the global parameter store and is changed there."""

    def guide(x):
        logit = pyro.param("logit", torch.zeros(len(x)))
        baseline = {"use_decaying_avg_baseline": True}
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Bernoulli(logits=logit), infer={"baseline": baseline})

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Bernoulli(torch.tensor(0.4)))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    elbo = as_objective(TraceGraph_ELBO())
    assert refused(model, elbo, guide=guide, match="state on the Python side")


def test_our_baselines_are_captured_with_their_state():
    made, args = MODEL_CASES["bernoulli_latent"].make()
    nvil = TraceGraph(2, (DecayingAverage(0.7), Neural((4,))))
    with a_capture(made, AmortisedDiscrete, args, nvil) as (captured, program, rows):
        averages = []
        for _ in range(4):
            noise = draw_noise(captured.noise)
            found = run_captured(captured, program, rows, noise)
            assert equal(found, run_plain(captured, program, rows, noise))
            averages += [found[n] for n in found if n.endswith("average")]
        assert len({float(average) for average in averages}) == 4


# 4: Pyro's own gradients are zero where parameters are plain tensors


def test_pyros_own_gradients_of_plain_tensors_are_zero_and_ours_are_not():
    made, args = MODEL_CASES["bernoulli_vae"].make()
    with a_program(made, AmortisedNormal, args) as (program, rows, parameters):

        class Own(nn.Module):
            def __init__(self):
                super().__init__()
                self.program = program

            def forward(self, *batch):
                pair = self.program.pair
                return torch.tensor(Trace_ELBO().loss_and_grads(pair.model, pair.guide, *batch))

        own = Own()
        leaves = {n: p.detach().clone().requires_grad_() for n, p in own.named_parameters()}
        functional_call(own, leaves, args)
        assert all(leaf.grad is None for leaf in leaves.values())
        captured = capture(program, rows, parameters)
        found = run_captured(captured, program, rows, draw_noise(captured.noise))
        assert all(found[name].abs().max() > 0 for name in captured.layout.names)


# What the check is for: a program that is not the step


def spoil_gradient(graph):
    """The second output, the first part of the gradient, times 1.001."""
    (output,) = [node for node in graph.graph.nodes if node.op == "output"]
    loss, gradient, *rest = output.args[0]
    with graph.graph.inserting_before(output):
        wrong = graph.graph.call_function(torch.ops.aten.mul.Tensor, (gradient, 1.001))
    output.args = ((loss, wrong, *rest),)


def spoil_loss(graph):
    """The first output, the negative bound, without log q: its last subtraction is left out."""
    (output,) = [node for node in graph.graph.nodes if node.op == "output"]
    loss, *rest = output.args[0]
    names = ("sub", "rsub")
    found = [node for node in ancestors(loss) if node.target.__name__.split(".")[0] in names]
    assert found
    with graph.graph.inserting_before(output):
        wrong = graph.graph.call_function(torch.ops.aten.neg.default, (found[0].args[0],))
    output.args = ((wrong, *rest),)


def ancestors(node):
    """What a node is computed from, nearest first."""
    line, found = [node], []
    while line:
        found += [now := line.pop(0)]
        line += [n for n in now.all_input_nodes if n.op == "call_function" and n not in found]
    return found


@pytest.mark.thin(2)
@pytest.mark.parametrize(
    ("spoil", "tensor"), [(spoil_gradient, "gradient of "), (spoil_loss, "loss")]
)
def test_planted_wrongness_is_found(spoil, tensor):
    made, args = MODEL_CASES["bernoulli_vae"].make()
    with a_program(made, AmortisedNormal, args, TraceGraph()) as (program, rows, parameters):
        captured = capture(program, rows, parameters)
        claim = Claim(captured.graph, captured.layout, captured.noise)
        verify(claim, program, rows, parameters)
        first = captured.layout.names[0]
        spoil(captured.pieces)
        captured.pieces.recompile()
        name = tensor + first if tensor.endswith("of ") else tensor
        with pytest.raises(CaptureError, match=f"not equal the plain one: {name} differs"):
            verify(claim, program, rows, parameters)
