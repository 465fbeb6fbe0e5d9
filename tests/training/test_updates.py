"""Update rules on one vector, each held against torch's optimizer over the same parameters."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from small_tasks import ppca_task
from steps import EXACT, interpreted
from torch import nn
from torch.utils._pytree import tree_leaves

import zoo
from guides import AmortisedNormal
from zoo.compile.capture import capture
from zoo.compile.loop_tensors import Inputs, State
from zoo.compile.step_loop import rates_of, step_with_update
from zoo.isolation import isolated
from zoo.objectives import Trace
from zoo.optim.functional import RULES, clip_to_norm
from zoo.optim.natural import NATURAL
from zoo.optim.optimizers import OPTIMIZERS, make_optimizer
from zoo.optim.schedules import Constant, Cosine, Drops, Exponential, Linear
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.training.compiled_trainer import CompiledTrainer
from zoo.training.run import prepare
from zoo.training.trainer import Trainer

STEPS = 100
RATES = {
    "adam": 0.05,
    "adamw": 0.05,
    "sgd": 1e-3,
    "rmsprop": 0.02,
    "rmsprop_centred": 0.02,
    "adagrad": 0.1,
    "clipped_adam": 0.05,
}
SCHEDULES = {
    "none": None,
    "constant": Constant(0.5),
    "linear": Linear(1.0, 0.1, 60),
    "exponential": Exponential(1.0, 0.02, 0.3),
    "cosine": Cosine(80),
    "drops": Drops((30, 70), 0.1),
}
VARIANTS = {
    "decay": {"weight_decay": 0.1},
    "clip": {"clip_norm": 3.0},
    **{name: {"lr_schedule": schedule} for name, schedule in SCHEDULES.items()},
    "all": {"lr_schedule": Cosine(80), "weight_decay": 0.1, "clip_norm": 3.0},
}


def test_every_rule_has_an_optimizer_and_a_case():
    assert set(RULES) | set(NATURAL) == set(OPTIMIZERS)
    assert set(RULES) == set(RATES)


def test_every_schedule_has_a_case():
    kinds = {kind for kind in vars(zoo.optim.schedules).values() if isinstance(kind, type)}
    own = {kind for kind in kinds if kind.__module__ == "zoo.optim.schedules"}
    assert own == {type(schedule) for schedule in SCHEDULES.values() if schedule}


def close(found, exact):
    error = (found - exact).norm() / exact.norm().clamp(min=1e-300)
    assert error <= EXACT, f"relative error {error}"
    return True


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", RULES)
def test_rules_equal_torchs_optimizers(name, decay):
    """Gradients of all sizes, some of them zero, over two parameters of unlike shape."""
    parameters = [nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(5))]
    optimizer = make_optimizer(name, parameters, RATES[name], decay)
    flat = torch.cat([p.detach().reshape(-1) for p in parameters])
    rule, rate = RULES[name], torch.tensor(RATES[name])
    moments = tuple(torch.zeros_like(flat) for _ in rule.moments)
    sizes = 10.0 ** torch.linspace(-6, 2, len(flat))
    for count in range(1, STEPS + 1):
        gradient = sizes * torch.randn(len(flat)) * (torch.rand(len(flat)) < 0.8)
        parts = gradient.split([12, 5])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.reshape(parameter.shape).clone()
        optimizer.step()
        rates = rule.rates(torch.tensor(float(count)), rate)
        flat, moments = rule.apply(flat, gradient, moments, rates, decay)
    assert close(flat, torch.cat([p.detach().reshape(-1) for p in parameters]))
    for moment, key in zip(moments, rule.moments, strict=True):
        theirs = [optimizer.state[p][key].reshape(-1) for p in parameters]
        assert close(moment, torch.cat(theirs))


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_clipping_is_torchs(size):
    parameters = [nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2, 2))]
    gradient = size * torch.randn(7)
    parts = gradient.split([3, 4])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.reshape(parameter.shape).clone()
    nn.utils.clip_grad_norm_(parameters, 2.0)
    clipped = torch.cat([p.grad.reshape(-1) for p in parameters])
    assert close(torch.cat(clip_to_norm(parts, 2.0)), clipped)


@pytest.fixture(scope="module")
def deterministic():
    """A captured step without noise: its losses are functions of the parameters alone."""

    def model(x):
        slope = pyro.param("slope", torch.tensor([0.5, -1.0]))
        spread = pyro.param("spread", torch.tensor(2.0), dist.constraints.positive)
        pyro.sample("x", dist.Normal(slope, spread).expand(x.shape).to_event(2), obs=x)

    x = torch.tensor([[3.0, -40.0], [0.5, 2.0], [-1.0, 7.0]])

    def build(update):
        with isolated(seed=0):
            task = zoo.task.given(model, (x,))
            run = prepare(task, lambda x: None, Settings(Trace(), 1, update, None, 0), "cpu", None)
        return run.trainer

    trainer = build(Update())
    with isolated(seed=0):
        captured = capture(trainer.program, trainer.rows, trainer.parameters)
    assert captured.noise == ()
    return build, captured


@pytest.mark.thin(16)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", RULES)
def test_captured_steps_with_their_update_equal_the_plain_loop(deterministic, name, variant):
    build, captured = deterministic
    update = Update(name, 10 * RATES[name], **VARIANTS[variant])
    trainer: Trainer = build(update)
    flat, held = captured.layout.read(trainer.program)
    state = State((flat,), tuple((torch.zeros_like(flat),) for _ in RULES[name].moments), held)
    nothing = torch.zeros(0, dtype=torch.int64)
    inputs = Inputs(torch.tensor(0.0), torch.tensor(update.lr), nothing, (), trainer.rows.args)
    step, losses = step_with_update(captured, update, None), []
    for i in range(STEPS):
        number = torch.tensor(float(i))
        state, loss = step(state, rates_of(update, number, inputs.lr), number, nothing, (), inputs)
        losses.append(loss)
    assert close(torch.stack(losses), trainer.advance(STEPS))
    assert close(state.parts[0], captured.layout.read(trainer.program)[0])
    assert not torch.equal(state.parts[0], flat)


def test_variants_are_not_all_the_same(deterministic):
    """Each setting changes where the steps lead, so that leaving it out would be seen."""
    build, captured = deterministic
    ends = []
    for variant in VARIANTS.values():
        trainer = build(Update("adam", 0.5, **variant))
        trainer.advance(STEPS)
        ends.append(captured.layout.read(trainer.program)[0])
    same = [(i, j) for i in range(len(ends)) for j in range(i) if torch.equal(ends[i], ends[j])]
    assert same == []


def a_trainer(name):
    update = Update(name, RATES[name])
    settings = Settings(Trace(), 1, update, 16, 0)
    return prepare(ppca_task(), AmortisedNormal, settings, "cpu", None).trainer


@pytest.mark.thin(6)
@pytest.mark.parametrize("name", RULES)
def test_moments_pass_between_the_two_loops(name, monkeypatch):
    """Plain, compiled, plain: what one leaves the other finds, and the state is torch's own."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    with isolated(seed=0):
        plain, compiled = a_trainer(name), CompiledTrainer(a_trainer(name))
        plain.advance(7)
        left = plain.snapshot()
        compiled.restore(left)
        assert same_optimizer(compiled.snapshot(), left)
        compiled.advance(5)
        handed = compiled.snapshot()
        plain.restore(handed)
        assert same_optimizer(plain.snapshot(), handed)
        assert plain.step == compiled.step == 12
        again = CompiledTrainer(a_trainer(name))
        again.restore(plain.snapshot())
        for mine, other in zip(tree_leaves(again.state), tree_leaves(compiled.state), strict=True):
            assert torch.equal(mine, other)
        torch.manual_seed(9)
        losses = compiled.advance(4)
        torch.manual_seed(9)
        assert torch.equal(again.advance(4), losses)
        own = make_optimizer(name, plain.parameters, RATES[name])
        own.load_state_dict(handed["optimizer"])
        assert set(own.state[plain.parameters[0]]) == set(left["optimizer"]["state"].get(0, {}))


def same_optimizer(first, second):
    states = [snapshot["optimizer"]["state"] for snapshot in (first, second)]
    assert states[0].keys() == states[1].keys()
    for key in states[0]:
        assert states[0][key].keys() == states[1][key].keys()
        for name, value in states[0][key].items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(states[1][key][name]))
    assert all(torch.equal(v, second["program"][k]) for k, v in first["program"].items())
    return True


@pytest.mark.thin(3)
@pytest.mark.parametrize("name", RULES)
def test_the_plain_loop_goes_on_from_the_compiled_one(deterministic, name, monkeypatch):
    """Without noise the two are one sequence, whoever takes which step."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    build, _ = deterministic
    update = Update(name, 10 * RATES[name], lr_schedule=Cosine(40))
    with isolated(seed=0):
        whole, plain, compiled = build(update), build(update), CompiledTrainer(build(update))
        expected = whole.advance(30)
        losses = [plain.advance(10)]
        compiled.restore(plain.snapshot())
        losses.append(compiled.advance(10))
        plain.restore(compiled.snapshot())
        losses.append(plain.advance(10))
    assert close(torch.cat(losses), expected)
