"""The captured step is the plain step, wherever its parameters live; nothing else has changed."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import MODEL_CASES, guide_of
from pyro import poutine
from pyro.infer import (
    RenyiELBO,
    ReweightedWakeSleep,
    Trace_ELBO,
    TraceEnum_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
    config_enumerate,
)
from pyro.infer.autoguide import AutoIAFNormal, AutoMultivariateNormal, AutoNormal
from pyro.infer.util import Dice
from pyro.nn import PyroModule, PyroParam, PyroSample
from small_tasks import ppca_task, regression
from steps import (
    a_capture,
    a_program,
    equal,
    equal_on_fresh_inputs,
    interpreted,
    run_captured,
    run_plain,
)
from torch import nn
from torch.distributions import constraints

from guides import AmortisedNormal, MeanField
from zoo.compile.capture import CaptureError, capture
from zoo.compile.noise import draw_noise
from zoo.handlers.parameters import named_tensors
from zoo.isolation import isolated
from zoo.objectives import IWAE, Trace, as_objective
from zoo.optim.schedules import Linear
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.training.compiled_trainer import CompiledTrainer
from zoo.training.run import prepare

X = torch.linspace(-1.0, 2.0, 7)


def statements(x):
    """Parameters in the store, one of them constrained."""
    spread = pyro.param("spread", torch.tensor(1.5), constraint=constraints.positive)
    mean = pyro.sample("mean", dist.Normal(pyro.param("shift", torch.tensor(0.3)), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, spread), obs=x)


def statements_guide(x):
    loc = pyro.param("loc", torch.tensor(0.2))
    scale = pyro.param("scale", torch.tensor(0.7), constraint=constraints.positive)
    pyro.sample("mean", dist.Normal(loc, scale))


def closure_model():
    """A function that reaches its network by its closure and names it to Pyro."""
    network = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))

    def model(x):
        pyro.module("network", network)
        scale = pyro.sample("scale", dist.LogNormal(0.0, 0.5))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(network(x[:, None])[:, 0], scale), obs=x)

    return model


class Bayesian(PyroModule):
    """Pyro's own kind of module: a parameter, a constrained one, a random one."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(0.1))
        self.spread = PyroParam(torch.tensor(1.2), constraint=constraints.positive)
        self.weight = PyroSample(dist.Normal(0.0, 1.0).expand([2]).to_event(1))

    def forward(self, x):
        weight = self.weight
        with pyro.plate("data", len(x)):
            pyro.sample(
                "x", dist.Normal(weight[0] * x + weight[1] + self.shift, self.spread), obs=x
            )


def pairs():
    model, *args = regression()
    vae, rows = MODEL_CASES["bernoulli_vae"].make()
    return {
        "modules": (vae, AmortisedNormal, rows),
        "store": (statements, statements_guide, (X,)),
        "closure": (closure_model(), MeanField, (X,)),
        "pyro module": (Bayesian(), MeanField, (X,)),
        "AutoNormal": (model, AutoNormal, tuple(args)),
        "AutoIAFNormal": (Bayesian(), AutoIAFNormal, (X,)),
        "AutoMultivariateNormal": (Bayesian(), AutoMultivariateNormal, (X,)),
        "store and AutoNormal": (statements, AutoNormal, (X,)),
    }


@pytest.mark.thin(4)
@pytest.mark.parametrize("objective", [Trace(), pytest.param(IWAE(4), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", pairs())
def test_the_captured_step_is_the_plain_step(name, objective):
    model, guide, args = pairs()[name]
    with a_capture(model, guide, args, objective) as (captured, program, rows):
        assert set(captured.layout.names) == {name for name, _ in program.named_parameters()}
        assert equal_on_fresh_inputs(captured, program, rows)


@pytest.mark.thin(2)
@pytest.mark.parametrize("name", ["modules", "AutoNormal"])
def test_minibatches_and_a_kl_weight(name):
    model, guide, args = pairs()[name]
    if name == "AutoNormal":
        model, args = Bayesian(), (X,)
    with a_capture(model, guide, args, batch=3, kl_weight=Linear(0.0, 1.0, 20)) as parts:
        assert equal_on_fresh_inputs(*parts, steps=(0.0, 5.0, 11.0))


@config_enumerate
def mixture(x):
    weight = pyro.param("weight", torch.tensor([0.2, 0.5, 0.3]), constraint=constraints.simplex)
    loc = pyro.param("component", torch.tensor([-1.0, 2.0, 0.3]))
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(weight))
        pyro.sample("x", dist.Normal(loc[k] + mean, 1.0), obs=x)


@config_enumerate
def mixture_guide(x):
    statements_guide(x)
    with pyro.plate("data", len(x)):
        logits = pyro.param("logits", lambda: torch.randn(len(x), 3))
        pyro.sample("k", dist.Categorical(logits=logits))


PYROS = [
    (Trace_ELBO(num_particles=2), "bernoulli_vae", "amortised_normal"),
    (Trace_ELBO(), "categorical_vae", "amortised_discrete"),
    (TraceGraph_ELBO(), "bernoulli_latent", "amortised_discrete"),
    (TraceGraph_ELBO(), "eight_schools", "full_rank"),
    (TraceMeanField_ELBO(), "gaussian_vae", "amortised_normal"),
    (TraceEnum_ELBO(max_plate_nesting=1), "bernoulli_latent", "amortised_discrete"),
]


@pytest.mark.thin(6)
@pytest.mark.parametrize(("elbo", "model", "guide"), PYROS)
def test_pyros_own_elbos(elbo, model, guide):
    made, args = MODEL_CASES[model].make()
    with a_capture(made, guide_of(guide), args, as_objective(elbo)) as parts:
        assert equal_on_fresh_inputs(*parts)


@pytest.mark.thin(4)
@pytest.mark.parametrize("guide", [statements_guide, mixture_guide])
@pytest.mark.parametrize("wide", [True, False])
def test_pyros_enumeration(guide, wide):
    """Latents summed out of the model, or of the guide too, as its own estimator does it."""
    elbo = TraceEnum_ELBO(num_particles=2, vectorize_particles=wide, max_plate_nesting=1)
    with a_capture(mixture, guide, (X,), as_objective(elbo)) as parts:
        assert equal_on_fresh_inputs(*parts)


@pytest.mark.parametrize("elbo", [RenyiELBO(), ReweightedWakeSleep(num_particles=2)])
def test_an_elbo_without_a_loss_says_so(elbo):
    with (
        a_program(statements, statements_guide, (X,), as_objective(elbo)) as parts,
        pytest.raises(CaptureError, match=r"calls \.backward\(\) itself"),
    ):
        capture(*parts)


def test_the_step_of_a_captured_program_draws_pyros_own_noise():
    """Without explicit noise: Pyro's own step at a seed, and normals drawn at that seed."""
    made, args = MODEL_CASES["bernoulli_vae"].make()
    with a_capture(made, AmortisedNormal, args) as (captured, program, rows):
        torch.manual_seed(5)
        program.zero_grad()
        loss = program.backward(torch.tensor(0.0), None, *args)
        torch.manual_seed(5)
        found = run_captured(captured, program, rows, draw_noise(captured.noise))
        gradients = dict(program.named_parameters())
        expected = {name: gradients[name].grad for name in captured.layout.names}
        found = {name: found[name] for name in ("loss", *expected)}  # and not the buffers
        assert equal(found, {"loss": loss, **expected})


def test_frozen_parameters_are_inputs():
    """What does not move now may be another value later: no constant of the program."""
    made, args = MODEL_CASES["bernoulli_vae"].make()
    with a_program(made, AmortisedNormal, args) as (program, rows, _):
        own = list(program.guide.parameters())
        captured = capture(program, rows, own)
        frozen = {name for name, _ in program.model.named_parameters(prefix="model")}
        assert frozen <= set(captured.layout.held)
        assert not frozen & set(captured.layout.names)
        noise = draw_noise(captured.noise)
        before = run_captured(captured, program, rows, noise)
        with torch.no_grad():
            program.model.decoder[0].weight.mul_(1.5)
        after = run_captured(captured, program, rows, noise)
        assert equal(after, run_plain(captured, program, rows, noise))
        assert before["loss"] != after["loss"]


WATCHED = [
    (torch, "randn"),
    (torch, "normal"),
    (torch.Tensor, "normal_"),
    (torch.Tensor, "__bool__"),
    (torch.Tensor, "backward"),
    (torch.nn.functional, "one_hot"),
    (pyro, "sample"),
    (pyro, "param"),
    (poutine.trace, "__call__"),
    (poutine.Trace, "compute_log_prob"),
    (dist.Normal, "rsample"),
    (Dice, "compute_expectation"),
    (pyro.util, "warn_if_nan"),
]


def state_of_the_process():
    return {
        **{f"{owner} {name}": getattr(owner, name) for owner, name in WATCHED},
        "store": sorted(pyro.get_param_store().keys()),
        "modes": torch.overrides._get_current_function_mode_stack(),
        "handlers": len(pyro.poutine.runtime._PYRO_STACK),
    }


@pytest.mark.parametrize("name", ["store", "modules", "closure"])
def test_capture_leaves_everything_as_it_was(name):
    model, guide, args = pairs()[name]
    with a_program(model, guide, args) as (program, rows, parameters):
        before, tensors = state_of_the_process(), named_tensors(program)
        captured = capture(program, rows, parameters)
        assert state_of_the_process() == before
        assert tensors.keys() == named_tensors(program).keys()
        assert all(torch.equal(value, tensors[k]) for k, value in named_tensors(program).items())
        assert all(parameter.grad is None for parameter in program.parameters())
        assert all(spec.device.type == "cpu" for spec in captured.noise)


def test_a_refused_capture_leaves_everything_as_it_was():
    with a_program(statements, statements_guide, (X,), as_objective(RenyiELBO())) as parts:
        before, tensors = state_of_the_process(), named_tensors(parts[0])
        with pytest.raises(CaptureError):
            capture(*parts)
        assert state_of_the_process() == before
        assert all(torch.equal(v, tensors[k]) for k, v in named_tensors(parts[0]).items())


def test_building_a_compiled_trainer_draws_nothing(monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    with isolated(seed=0):
        settings = Settings(Trace(), 1, Update(), 16, 0)
        trainer = prepare(ppca_task(), AmortisedNormal, settings, "cpu", None).trainer
        before, tensors = torch.get_rng_state(), named_tensors(trainer.program)
        compiled = CompiledTrainer(trainer)
        assert torch.equal(torch.get_rng_state(), before)
        assert compiled.step == 0
        assert all(torch.equal(v, tensors[k]) for k, v in named_tensors(trainer.program).items())
