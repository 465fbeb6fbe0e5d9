"""Models and guides of a user's own, as Pyro's tutorials write them, under `zoo.fit` unchanged."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY
from foreign.belongings import process
from pyro import poutine
from pyro.infer import (
    RenyiELBO,
    Trace_ELBO,
    TraceEnum_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
    config_enumerate,
)
from pyro.infer.autoguide import AutoIAFNormal, AutoNormal
from pyro.nn import PyroModule, PyroParam, PyroSample
from torch import nn
from torch.distributions import constraints

import zoo
from guides import IAF, AmortisedNormal, FullRank, MeanField, PerDatum

STEPS = 4


def with_params(x):
    """A function whose parameters are statements, one of them constrained."""
    spread = pyro.param("spread", x.new_tensor(1.5), constraint=constraints.positive)
    shift = pyro.param("shift", x.new_tensor(0.2))
    z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z.sum(-1) + shift, spread), obs=x)


def params_guide(x):
    loc = pyro.param("loc", lambda: x.new_zeros(2))
    scale = pyro.param("scale", lambda: x.new_ones(2), constraint=constraints.positive)
    pyro.sample("z", dist.Normal(loc, scale).to_event(1))


def nested(x):
    """A mean for every column, rows inside."""
    with pyro.plate("columns", 3, dim=-1):
        mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("data", len(x), dim=-2):
            pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def own_subsample(x):
    shift = pyro.param("shift", x.new_zeros(()))
    with pyro.plate("data", len(x), subsample_size=3) as rows:
        z = pyro.sample("z", dist.Normal(shift, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x[rows])


class VAE(nn.Module):
    """In the style of Pyro's own example: model and guide are methods of one module."""

    def __init__(self):
        super().__init__()
        self.decoder = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4))
        self.encoder = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))

    def model(self, x):
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.decoder(z), 1.0).to_event(1), obs=x)

    def guide(self, x):
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", len(x)):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))


class Decoder(nn.Module):
    """The model of `VAE` alone."""

    def __init__(self):
        super().__init__()
        self.decoder = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4))

    def model(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(self.decoder(z), 1.0).to_event(1), obs=x)


class Regression(PyroModule):
    """A Bayesian layer and a constrained parameter."""

    def __init__(self):
        super().__init__()
        self.weight = PyroSample(dist.Normal(torch.zeros(2), 1.0).to_event(1))
        self.noise = PyroParam(torch.tensor(1.5), constraint=constraints.positive)
        self.linear = PyroModule[nn.Linear](2, 1)

    def forward(self, x, y=None):
        mean = (self.weight * x).sum(-1) + self.linear(x).squeeze(-1)
        with pyro.plate("data", len(x)):
            return pyro.sample("y", dist.Normal(mean, self.noise), obs=y)


def numbers(rows=12):
    return (torch.linspace(-1.0, 2.0, rows),)


def table():
    return (torch.linspace(-1.0, 2.0, 36).reshape(12, 3),)


def four():
    return (torch.linspace(-1.0, 2.0, 48).reshape(12, 4),)


def pairs():
    x = torch.linspace(-1.0, 2.0, 24).reshape(12, 2)
    return x, x.sum(-1)


def vae_pair():
    vae = VAE()
    return vae.model, vae.guide


def reference(module):
    """AutoGuides as instances."""
    return module, AutoNormal(module)


PAIRS = {  # name -> (model and guide, arguments, names of trained parameters, settings)
    "params": (lambda: (with_params, params_guide), numbers, 4, {}),
    "params, minibatches": (lambda: (with_params, params_guide), numbers, 4, {"batch_size": 4}),
    "params, mean field": (lambda: (with_params, MeanField), numbers, 4, {}),
    "params, full rank": (lambda: (with_params, FullRank), numbers, 4, {}),
    "params, flow": (lambda: (with_params, IAF), numbers, 12, {}),
    "params, AutoNormal": (lambda: (with_params, AutoNormal), numbers, 4, {}),
    "params, AutoNormal instance": (lambda: reference(with_params), numbers, 4, {}),
    "params, AutoIAFNormal": (lambda: (with_params, AutoIAFNormal), numbers, 6, {}),
    "params, AutoIAFNormal instance": (
        lambda: (with_params, AutoIAFNormal(with_params)),
        numbers,
        6,
        {},
    ),
    "nested": (lambda: (nested, MeanField), table, 2, {}),
    "nested, minibatches": (lambda: (nested, MeanField), table, 2, {"batch_size": 4}),
    "own subsample": (lambda: (own_subsample, PerDatum), numbers, 3, {}),
    "methods": (vae_pair, four, 8, {}),
    "methods, minibatches": (vae_pair, four, 8, {"batch_size": 4}),
    "method and a guide of the zoo": (lambda: (Decoder().model, AmortisedNormal), four, 10, {}),
    "module": (lambda: (Regression(), MeanField), pairs, 5, {}),
    "module, AutoNormal": (lambda: (Regression(), AutoNormal), pairs, 5, {}),
    "module, AutoNormal instance": (lambda: reference(Regression()), pairs, 5, {}),
    "module, minibatches": (lambda: (Regression(), MeanField), pairs, 5, {"batch_size": 4}),
}


def contents(fn):
    module = getattr(fn, "__self__", fn)
    if not isinstance(module, nn.Module):
        return None
    return {name: value.tolist() for name, value in module.state_dict().items()}


def moved(fitted):
    """Names of trained parameters, and whether each moved in the last steps."""
    before, after = fitted
    names = dict(before.program.named_parameters())
    later = dict(after.program.named_parameters())
    return {name: not torch.equal(names[name], later[name]) for name in names}


@pytest.fixture
def mine():
    """A parameter that the caller has in the store."""
    pyro.param("mine", torch.ones(2))
    yield
    pyro.clear_param_store()


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("name", PAIRS)
def test_it_trains_and_touches_nothing(name, device):
    make, data, count, settings = PAIRS[name]
    model, guide = make()
    args = data()
    before, kept = process(), (contents(model), contents(guide))
    settings = {"lr": 0.05, "device": device, "seed": 3, **settings}
    fitted = zoo.fit(model, guide, *args, steps=STEPS, **settings)
    assert process() == before
    assert (contents(model), contents(guide)) == kept
    torch.randn(3)
    again = zoo.fit(model, guide, *args, steps=STEPS, **settings)
    assert torch.equal(fitted.losses, again.losses)
    assert fitted.losses.isfinite().all()
    first = zoo.fit(model, guide, *args, steps=1, **settings)
    changed = moved((first, fitted))
    assert all(changed.values()), changed
    assert len(changed) == count, list(changed)
    other = zoo.fit(model, guide, *args, steps=STEPS, **{**settings, "seed": 4})
    assert not torch.equal(other.losses, fitted.losses)


def test_a_conditioned_model_keeps_its_modules_parameters():
    x, y = pairs()
    model = poutine.condition(Regression(), data={"y": y})
    plain = zoo.fit(Regression(), MeanField, x, y, steps=STEPS, lr=0.05)
    fitted = zoo.fit(model, MeanField, x, steps=STEPS, lr=0.05)
    assert len(list(fitted.program.parameters())) == len(list(plain.program.parameters()))


def test_the_callers_autoguide_still_works():
    """Pyro's AutoGuides lose their model when they are copied, the original too."""
    model, guide = reference(Regression())
    zoo.fit(model, guide, *pairs(), steps=1)
    with pyro.get_param_store().scope():
        assert set(guide(*pairs())) == {"weight"}


class Holder:
    """Not a module itself: it holds one."""

    def __init__(self):
        self.vae = VAE()

    def model(self, x):
        self.vae.model(x)

    def guide(self, x):
        self.vae.guide(x)


def test_a_method_of_something_that_is_no_module():
    holder = Holder()
    start = contents(holder.vae.model)
    fitted = zoo.fit(holder.model, holder.guide, *four(), steps=STEPS, lr=0.05)
    assert len(list(fitted.program.parameters())) == 8
    assert contents(holder.vae.model) == start


ELBOS = {
    "Trace_ELBO": lambda: Trace_ELBO(num_particles=2),
    "Trace_ELBO, wide": lambda: Trace_ELBO(2, vectorize_particles=True, max_plate_nesting=1),
    "TraceGraph_ELBO": TraceGraph_ELBO,
    "TraceMeanField_ELBO": TraceMeanField_ELBO,
    "RenyiELBO": lambda: RenyiELBO(num_particles=2, alpha=0.5),
}


@pytest.mark.parametrize("name", ELBOS)
def test_pyros_own_objectives(name):
    args = numbers()
    fitted = zoo.fit(with_params, params_guide, *args, objective=ELBOS[name](), steps=STEPS)
    again = zoo.fit(with_params, params_guide, *args, objective=ELBOS[name](), steps=STEPS)
    assert torch.equal(fitted.losses, again.losses)
    first = zoo.fit(with_params, params_guide, *args, objective=ELBOS[name](), steps=1)
    assert all(moved((first, fitted)).values())


def test_pyros_enumeration():
    @config_enumerate
    def mixture(x):
        place = pyro.param("place", x.new_tensor([-1.0, 1.0]))
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Categorical(x.new_tensor([0.4, 0.6])))
            pyro.sample("x", dist.Normal(place[k], 1.0), obs=x)

    (x,) = numbers()
    elbo = TraceEnum_ELBO(max_plate_nesting=1)
    fitted = zoo.fit(mixture, lambda x: None, x, objective=elbo, steps=50)
    components = torch.stack([dist.Normal(m, 1.0).log_prob(x) for m in (-1.0, 1.0)], -1)
    exact = (components + torch.tensor([0.4, 0.6]).log()).logsumexp(-1).sum()
    assert -fitted.losses[0].item() == pytest.approx(exact.item(), rel=IDENTITY)
    assert fitted.losses[-1] < fitted.losses[0]
