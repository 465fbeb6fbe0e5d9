"""Parameters of models as strangers write them: what Pyro's SVI trains is trained, to its numbers.

The guides here draw nothing, so that Pyro and the zoo take the very same steps.
"""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO
from pyro.nn import PyroModule
from steps import a_program
from torch import nn
from torch.distributions import constraints

import zoo
from guides import AmortisedNormal, MeanField
from zoo.compile.capture import CaptureError, capture
from zoo.objectives import OBJECTIVES
from zoo.optim.update import Update
from zoo.training.trainer import Trainer

STEPS, RATE = 30, 0.02
X = torch.linspace(-1.0, 2.0, 24).reshape(8, 3)


def body(net, x):
    pyro.module("net", net)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(net(z), 0.5).to_event(1), obs=x)


def point(x):
    place = pyro.param("place", lambda: torch.full((len(x), 2), 0.3))
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Delta(place, event_dim=1))


def network():
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))


class Plain:
    def __init__(self):
        self.net = network()

    def model(self, x):
        body(self.net, x)


class InAList(nn.Module):
    """The list hides the networks from nn.Module."""

    def __init__(self):
        super().__init__()
        self.nets = [network()]

    def forward(self, x):
        body(self.nets[0], x)


def in_a_list():
    nets = [network()]
    return lambda x: body(nets[0], x)


def in_a_dict():
    nets = {"decoder": network()}
    return lambda x: body(nets["decoder"], x)


def in_a_helper():
    net = network()

    def helper(x):
        body(net, x)

    return lambda x: helper(x)


def in_a_partial():
    return partial(body, network())


GLOBAL = [None]


def reads_a_global(x):
    body(GLOBAL[0], x)


def in_a_global():
    GLOBAL[0] = network()
    return reads_a_global


class Layer(PyroModule):
    """A Pyro module of its own, which a function calls."""

    def __init__(self):
        super().__init__()
        self.inner = PyroModule[nn.Linear](2, 3)

    def forward(self, z):
        return self.inner(z)


def a_pyro_module_in_a_list():
    nets = [Layer()]

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(nets[0](z), 0.5).to_event(1), obs=x)

    return model


PLACES = {
    "plain class": lambda: Plain().model,
    "list": in_a_list,
    "list of a module": InAList,
    "dict": in_a_dict,
    "helper": in_a_helper,
    "partial": in_a_partial,
    "global": in_a_global,
    "Pyro module": a_pyro_module_in_a_list,
}


def by_pyro(model, guide, steps, *args):
    """Values of all parameters after that many steps of Pyro's SVI, largest tensors last."""
    with pyro.get_param_store().scope():
        svi = SVI(model, guide, pyro.optim.Adam({"lr": RATE}), Trace_ELBO())
        losses = [svi.step(*args) for _ in range(steps)]
        return losses, {name: value.detach() for name, value in pyro.get_param_store().items()}


@pytest.mark.parametrize("name", PLACES)
def test_a_registered_network_is_trained_wherever_it_lies(name):
    torch.manual_seed(1)
    losses, _ = by_pyro(PLACES[name](), point, STEPS, X)
    torch.manual_seed(1)
    fitted = zoo.fit(PLACES[name](), point, X, objective=Trace_ELBO(), steps=STEPS, lr=RATE)
    assert fitted.losses.tolist() == pytest.approx(losses, rel=IDENTITY)
    assert fitted.program.store.names == ("place",)


@pytest.mark.filterwarnings("ignore:weight was not registered", "ignore:bias was not registered")
@pytest.mark.parametrize("objective", ["stl", "dreg"])
def test_what_an_estimator_holds_constant_includes_hidden_networks(objective):
    """The network of the guide lies in a list or in the open: the gradients are the same."""

    def guide(hidden, open_net, x):
        net = hidden[0] if hidden else open_net
        pyro.module("encoder", net)
        with pyro.plate("data", len(x)):
            loc, scale = net(x).chunk(2, -1)
            pyro.sample("z", dist.Normal(loc, scale.exp()).to_event(1))

    fits = []
    for is_hidden in (True, False):
        torch.manual_seed(1)
        encoder, decoder = nn.Linear(3, 4), network()
        hidden = [encoder] if is_hidden else []

        given = partial(guide, hidden, None if is_hidden else encoder)
        settings = {"objective": OBJECTIVES[objective], "steps": 5, "lr": RATE}
        fits.append(zoo.fit(partial(body, decoder), given, X, **settings).losses)
    torch.testing.assert_close(*fits, rtol=IDENTITY, atol=0)


class Shared(nn.Module):
    """Model and guide as methods, with every way of holding one thing twice."""

    def __init__(self, kind, *, seen=True):
        super().__init__()
        self.seen = seen
        self.decoder, self.encoder = nn.Linear(2, 3), nn.Linear(3, 4)
        if kind == "alias":
            self.layers = nn.ModuleList([self.decoder])
        if kind == "tied":
            self.other = nn.Linear(2, 3)
            self.other.weight = self.decoder.weight

    def model(self, x):
        if not self.seen:
            float(x.sum())
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            mean = self.decoder(z)
            if "other" in self._modules:
                mean = mean + self.other(z)
            pyro.sample("x", dist.Normal(mean, 0.5).to_event(1), obs=x)

    def guide(self, x):
        with pyro.plate("data", len(x)):
            loc, scale = self.encoder(x).chunk(2, -1)
            pyro.sample("z", dist.Normal(loc, scale.exp()).to_event(1))


def held(program):
    return {
        f"{prefix}.{own}": id(parameter)
        for prefix, part in program.named_modules(remove_duplicate=False)
        for own, parameter in part._parameters.items()
    }


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("kind", ["methods", "alias", "tied"])
def test_a_capture_leaves_every_parameter_where_it_was(kind, seen):
    shared = Shared(kind, seen=seen)
    with a_program(shared.model, shared.guide, (X,)) as (program, rows, parameters):
        before = held(program)
        if seen:
            capture(program, rows, parameters)
        else:
            with pytest.raises(CaptureError, match="cannot be traced"):
                capture(program, rows, parameters)
        assert held(program) == before
        start = {name: p.detach().clone() for name, p in program.named_parameters()}
        Trainer(program, rows, Update("adam", RATE, None, 0.0, None), parameters).advance(2)
        later = dict(program.named_parameters())
        still = [name for name in start if torch.equal(start[name], later[name])]
        assert not still


class Replaces(nn.Module):
    """A model that gives itself another parameter in each call."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        z = pyro.sample("z", dist.Normal(self.shift, 1.0))
        self.shift = nn.Parameter(torch.ones(()))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def test_a_capture_that_would_train_another_parameter_is_refused():
    with a_program(Replaces(), MeanField, (X[:, 0],)) as (program, rows, parameters):
        before = held(program)
        with pytest.raises(CaptureError):
            capture(program, rows, parameters)
        assert held(program) == before


def test_a_guide_that_refers_to_a_part_of_the_model_shares_it():
    """A function cannot be copied: what it shares with the model must not be copied either."""
    torch.manual_seed(1)
    shared = Shared("methods")
    start = shared.decoder.weight.detach().clone()

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Delta(x @ shared.decoder.weight, event_dim=1))

    fitted = zoo.fit(shared.model, guide, X, objective=Trace_ELBO(), steps=STEPS, lr=RATE)
    assert fitted.model.__self__ is shared
    torch.manual_seed(1)
    again = Shared("methods")

    def pyros(x):
        pyro.module("all", again)
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Delta(x @ again.decoder.weight, event_dim=1))

    losses, _ = by_pyro(again.model, pyros, STEPS, X)
    assert fitted.losses.tolist() == pytest.approx(losses, rel=IDENTITY)
    assert not torch.equal(start, shared.decoder.weight)


def shifted(x):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def takes_a_branch(x):
    """Past 0.2, a second parameter comes in; the two runs before the first step do not meet it."""
    place = pyro.param("place", torch.tensor(0.0))
    if place > 0.2:
        extra = pyro.param("extra", lambda: torch.tensor(0.1), constraint=constraints.positive)
        place = place + extra
    pyro.sample("z", dist.Delta(place))


Y = torch.linspace(1.0, 3.0, 5)


def test_a_parameter_met_late_is_trained_from_then_on():
    losses, values = by_pyro(shifted, takes_a_branch, STEPS, Y)
    settings = {"objective": Trace_ELBO(), "lr": RATE}
    fitted = zoo.fit(shifted, takes_a_branch, Y, steps=STEPS, **settings)
    assert fitted.program.store.names == ("place", "extra")
    assert fitted.losses.tolist() == pytest.approx(losses, rel=IDENTITY)
    found = [value.item() for value in fitted.program.store.values]
    expected = [float(values["place"]), float(values["extra"].log())]
    assert found == pytest.approx(expected, rel=IDENTITY)


@pytest.mark.parametrize("optimizer", ["adagrad", "sgd", "rmsprop", "clipped_adam"])
def test_any_optimizer_takes_it(optimizer):
    fitted = zoo.fit(shifted, takes_a_branch, Y, steps=200, lr=0.05, optimizer=optimizer)
    place, extra = (value.item() for value in fitted.program.store.values)
    assert extra != pytest.approx(torch.tensor(0.1).log().item())
    assert place > 0.2


@pytest.mark.parametrize("first", [5, 20])
def test_a_fit_with_a_late_parameter_is_resumed_and_saved(first, tmp_path):
    """The parameter comes at step 11: once before the first fit ends, and once after."""
    whole = zoo.fit(shifted, takes_a_branch, Y, steps=STEPS, lr=RATE)
    half = zoo.fit(shifted, takes_a_branch, Y, steps=first, lr=RATE)
    zoo.save(half, tmp_path)
    loaded = zoo.load_fit(tmp_path, shifted, Y, guide=takes_a_branch)
    for earlier in (half, loaded):
        rest = zoo.fit(shifted, takes_a_branch, Y, steps=STEPS, lr=RATE, resume=earlier)
        assert torch.equal(rest.losses, whole.losses)
    assert len(half.program.store.names) == (1 if first == 5 else 2)


def test_a_late_parameter_is_not_captured():
    with a_program(shifted, takes_a_branch, (Y,)) as (program, rows, parameters):
        program.store.values[0].data.fill_(1.0)
        with pytest.raises(CaptureError, match="'extra' is made only in some steps"):
            capture(program, rows, parameters)


def test_a_module_met_late_is_refused():
    nets = [network()]

    def guide(x):
        place = pyro.param("place", torch.tensor(0.0))
        if place > 0.05:
            pyro.module("net", nets[0])
        pyro.sample("z", dist.Delta(place))

    with pytest.raises(ValueError, match=r"module of 'net\$\$\$0.weight' is registered for the"):
        zoo.fit(shifted, guide, Y, steps=STEPS, lr=RATE)


def scales(x):
    spread = pyro.param("spread", torch.tensor(2.0), constraint=constraints.positive)
    z = pyro.sample("z", dist.Normal(0.0, spread))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def test_a_frozen_model_keeps_its_param_statements():
    fitted = zoo.fit(scales, MeanField, Y, steps=5, freeze_model=True)
    (spread,) = fitted.program.store.values
    assert spread.item() == pytest.approx(torch.tensor(2.0).log().item(), rel=IDENTITY)


class Methods(nn.Module):
    """Each method registers what it trains, as in Pyro's own example."""

    def __init__(self):
        super().__init__()
        self.decoder, self.encoder = network(), nn.Linear(3, 4)

    def model(self, x):
        body(self.decoder, x)

    def guide(self, x):
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", len(x)):
            loc, scale = self.encoder(x).chunk(2, -1)
            pyro.sample("z", dist.Normal(loc, scale.exp()).to_event(1))


def test_a_frozen_model_whose_guide_is_a_method_of_the_same_module():
    both = Methods()
    fitted = zoo.fit(both.model, both.guide, X, steps=3, freeze_model=True)
    trained = fitted.model.__self__
    assert torch.equal(trained.decoder[0].weight, both.decoder[0].weight)
    assert not torch.equal(trained.encoder.weight, both.encoder.weight)


class Normalises(nn.Module):
    """Counts the batches that it sees in train mode."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)

    def forward(self, x):
        with pyro.plate("data", len(x)):
            scale = self.drop(self.norm(x)).exp() + 1.0
            z = pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, scale).to_event(1), obs=x)


def count(norm):
    return int(norm.num_batches_tracked)


def test_running_averages_count_the_steps_and_nothing_else():
    model = Normalises()
    zoo.describe(model, X)
    assert count(model.norm) == 0
    fitted = zoo.fit(model, AmortisedNormal, X, steps=6)
    assert (count(model.norm), count(fitted.model.norm)) == (0, 6)
    zoo.evaluate(fitted, metrics=["elbo"])
    assert count(fitted.model.norm) == 6


def test_a_network_in_a_list_counts_the_steps_too():
    nets = [nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))]
    fitted = zoo.fit(lambda x: body(nets[0], x), point, X, steps=6)
    assert count(nets[0][1]) == 6
    assert nets[0].training
    zoo.evaluate(fitted, metrics=["elbo"])
    assert count(nets[0][1]) == 6


def test_a_layer_set_to_eval_stays_so():
    model = Normalises()
    model.norm.eval()
    with a_program(model, AmortisedNormal, (X,)) as (program, rows, parameters):
        assert not program.model.norm.training
        assert program.model.drop.training
        Trainer(program, rows, Update("sgd", RATE, None, 0.0, None), parameters).advance(2)
        assert count(program.model.norm) == 0


def test_a_conditioned_model_in_a_handler():
    """A handler around the model is no obstacle to what lies inside."""
    model = poutine.scale(in_a_list(), scale=1.0)
    fitted = zoo.fit(model, point, X, steps=2)
    assert len(list(fitted.program.parameters())) == 5


def held_by_a_function():
    """The user's net is not shown to Pyro."""
    net = nn.Linear(2, 3)

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(net(z), 0.5).to_event(1), obs=x)

    return net, model


def test_a_net_that_pyro_is_not_shown_is_held_with_a_warning():
    net, model = held_by_a_function()
    before = net.weight.detach().clone()
    with pytest.warns(UserWarning, match=r"not trained, as under Pyro's SVI.*shape \(3, 2\)"):
        fitted = zoo.fit(model, point, X, steps=STEPS, lr=RATE, compile=False)
    assert torch.equal(net.weight, before)
    assert net.weight.grad is None
    assert fitted.losses[-1] < fitted.losses[0]


def test_a_net_that_is_held_on_purpose_goes_without_a_warning():
    net, model = held_by_a_function()
    net.requires_grad_(requires_grad=False)
    zoo.fit(model, point, X, steps=3, lr=RATE, compile=False)


def test_a_net_in_a_list_has_its_mode_and_gradients_after_a_fit_that_diverged():
    nets = [network()]
    kept = {name: torch.ones_like(p) for name, p in nets[0].named_parameters()}
    for name, parameter in nets[0].named_parameters():
        parameter.grad = kept[name]
    with pytest.raises(zoo.DivergenceError):
        zoo.fit(lambda x: body(nets[0], x), point, X, optimizer="sgd", lr=1e30, steps=30)
    assert nets[0].training
    assert all(p.grad is kept[name] for name, p in nets[0].named_parameters())
    assert all(bool((gradient == 1).all()) for gradient in kept.values())
