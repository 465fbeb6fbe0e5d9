"""Pairs whose nets come by a partial, a default, a global name, a decorator or an attribute."""

from functools import partial, wraps
from types import SimpleNamespace

import pyro
from foreign.case import Built, Case
from foreign.modules import by_row, data, decode, guide
from foreign.oracles import sampled_bound
from pyro.nn import PyroModule
from torch import nn

GLOBAL = {"net": None}


def by_partial():
    """The net is a keyword of a functools.partial."""
    net = nn.Linear(1, 3)

    def model(x, *, net):
        decode(pyro.module("net", net), x)

    return Built(partial(model, net=net), guide, (data(),), modules=(net,))


def by_default():
    """The net is the default of an argument."""

    def model(x, net=nn.Linear(1, 3)):  # noqa: B008
        decode(pyro.module("net", net), x)

    (net,) = model.__defaults__
    return Built(model, guide, (data(),), modules=(net,))


def global_model(x):
    decode(pyro.module("net", GLOBAL["net"]), x)


def by_global_name():
    """A function of a file, which keeps its net in a table of that file."""
    GLOBAL["net"] = net = nn.Linear(1, 3)
    return Built(global_model, guide, (data(),), modules=(net,))


def counted(fn):
    """A decorator of the user's own."""
    calls = []

    @wraps(fn)
    def wrapped(*args, **kwargs):
        calls.append(1)
        return fn(*args, **kwargs)

    return wrapped


def decorated():
    net = nn.Linear(1, 3)

    @counted
    def model(x):
        decode(pyro.module("net", net), x)

    return Built(model, counted(guide), (data(),), modules=(net,))


def namespace():
    """Nets are attributes of an object that has no methods."""
    nets = SimpleNamespace(parts=(nn.Linear(1, 4), nn.Linear(4, 3)))

    def net(z):
        return nets.parts[1](nets.parts[0](z).tanh())

    def model(x):
        for i, part in enumerate(nets.parts):
            pyro.module(f"part_{i}", part)
        decode(net, x)

    return Built(model, guide, (data(),), modules=nets.parts)


def guide_is_the_models_method():
    """The model is a module, and the guide one of its methods."""

    class Model(PyroModule):
        def __init__(self):
            super().__init__()
            self.net = PyroModule[nn.Linear](1, 3)

        def forward(self, x):
            decode(self.net, x)

        def guide(self, x):
            guide(x)

    model = Model()
    return Built(model, model.guide, (data(),), modules=(model,))


def made_in_the_call():
    """A net made at the first call and kept, as a class does that learns its sizes from data."""

    class Lazy:
        def __init__(self):
            self.net = None

        def model(self, x):
            if self.net is None:
                self.net = nn.Linear(1, x.shape[1])
                nn.init.constant_(self.net.weight, 0.4)
                nn.init.zeros_(self.net.bias)
            decode(pyro.module("net", self.net), x)

    return Built(Lazy().model, guide, (data(),))


BUILDS = {
    "net by a partial": by_partial,
    "net by a default": by_default,
    "net by a global name": by_global_name,
    "decorated functions": decorated,
    "nets in a namespace": namespace,
    "guide is a method of the model": guide_is_the_models_method,
    "net made in the first call": made_in_the_call,
}

COPIED = (by_partial, guide_is_the_models_method, made_in_the_call)

CASES = tuple(
    Case(
        name,
        build,
        in_place=build not in COPIED,
        captured=True,
        elbo_score=sampled_bound,
        evidence=by_row,
        saved=True,
    )
    for name, build in BUILDS.items()
)
