"""Networks that a model reaches in many ways, and what Pyro's own SVI makes of them."""

from functools import partial

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.nn import PyroModule
from torch import nn

STEPS, RATE = 30, 0.02
X = torch.linspace(-1.0, 2.0, 24).reshape(8, 3)


def body(net, x):
    """A model whose network is registered by a statement, wherever it is kept."""
    pyro.module("net", net)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(net(z), 0.5).to_event(1), obs=x)


def point(x):
    """A guide that draws nothing, so that two fits take the same steps."""
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
    """The losses of that many steps of Pyro's SVI, and the values of all parameters after them."""
    with pyro.get_param_store().scope():
        svi = SVI(model, guide, pyro.optim.Adam({"lr": RATE}), Trace_ELBO())
        losses = [svi.step(*args) for _ in range(steps)]
        return losses, {name: value.detach() for name, value in pyro.get_param_store().items()}


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
