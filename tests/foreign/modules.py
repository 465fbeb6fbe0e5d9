"""Pairs whose nets are kept in methods, closures, lists, plain classes, or twice."""

import pyro
import pyro.distributions as dist
import torch
from foreign.case import Built, Case
from foreign.oracles import RowGrid, sampled_bound
from pyro.nn import PyroModule
from torch import nn

ROWS = 5
LATENT = (-8.0, 8.0, 100)
by_row = RowGrid("z", LATENT, (ROWS, 1))


def data():
    return torch.linspace(-1.0, 1.5, ROWS * 3).reshape(ROWS, 3)


def decode(net, x):
    """One latent a row, three pixels."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(net(z), 2.0).to_event(1), obs=x)


def encode(net, x):
    loc, log_scale = net(x).chunk(2, -1)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(loc, (0.3 * log_scale).exp()).to_event(1))


def guide(x):
    """Parameters for each row, so that the model alone is peculiar."""
    loc = pyro.param("loc", lambda: x.mean(1, keepdim=True) / 2)
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(loc, 0.9).to_event(1))


def methods():
    """Model and guide are methods of one nn.Module, as in Pyro's example of a VAE."""

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.decoder = nn.Linear(1, 3)
            self.encoder = nn.Linear(3, 2)

        def model(self, x):
            pyro.module("decoder", self.decoder)
            decode(self.decoder, x)

        def guide(self, x):
            pyro.module("encoder", self.encoder)
            encode(self.encoder, x)

    vae = VAE()
    return Built(vae.model, vae.guide, (data(),), modules=(vae,))


def closure():
    """Two functions, each with a net from outside."""
    decoder, encoder = nn.Linear(1, 3), nn.Linear(3, 2)

    def model(x):
        decode(pyro.module("decoder", decoder), x)

    def recognise(x):
        encode(pyro.module("encoder", encoder), x)

    return Built(model, recognise, (data(),), modules=(decoder, encoder))


def closure_of_closure():
    """The model calls a helper, and the helper has the net."""
    net = nn.Linear(1, 3)

    def helper(x):
        pyro.module("net", net)
        decode(net, x)

    def model(x):
        helper(x)

    return Built(model, guide, (data(),), modules=(net,))


def lists():
    """Layers in a list of the closure, not in a ModuleList."""
    layers = [nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 3)]

    def net(z):
        for layer in layers:
            z = layer(z)
        return z

    def model(x):
        for i, layer in enumerate(layers):
            pyro.module(f"layer_{i}", layer)
        decode(net, x)

    return Built(model, guide, (data(),), modules=tuple(layers))


def dictionaries():
    nets = {"up": nn.Linear(1, 3), "down": nn.Linear(3, 2)}

    def model(x):
        decode(pyro.module("up", nets["up"]), x)

    def recognise(x):
        encode(pyro.module("down", nets["down"]), x)

    return Built(model, recognise, (data(),), modules=tuple(nets.values()))


def plain_class():
    """A class of the user's own that is no module and holds two."""

    class Pair:
        def __init__(self):
            self.decoder = nn.Linear(1, 3)
            self.encoder = nn.Linear(3, 2)

        def model(self, x):
            decode(pyro.module("decoder", self.decoder), x)

        def guide(self, x):
            encode(pyro.module("encoder", self.encoder), x)

    pair = Pair()
    return Built(pair.model, pair.guide, (data(),), modules=(pair.decoder, pair.encoder))


def callable_object():
    """An object with __call__, which is no module."""

    class Model:
        def __init__(self):
            self.net = nn.Linear(1, 3)

        def __call__(self, x):
            decode(pyro.module("net", self.net), x)

    model = Model()
    return Built(model, guide, (data(),), modules=(model.net,))


class Aliased(nn.Module):
    """One layer under two names."""

    def __init__(self):
        super().__init__()
        self.decoder = nn.Linear(1, 3)
        self.layers = nn.ModuleList([self.decoder])

    def forward(self, x):
        pyro.module("model", self)
        decode(self.layers[0], x)


def aliased():
    model = Aliased()
    return Built(model, guide, (data(),), modules=(model,))


def tied():
    """Encoder and decoder share one weight matrix."""
    weight = nn.Linear(3, 1, bias=False)
    decoder, encoder = nn.Linear(1, 3), nn.Linear(3, 1)
    decoder.weight = nn.Parameter(weight.weight.detach().t().contiguous())
    encoder.weight = weight.weight

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.again = encoder, weight

        def forward(self, x):
            return torch.cat([self.down(x), self.again(x)], -1)

    net = Tied()

    def model(x):
        decode(pyro.module("decoder", decoder), x)

    def recognise(x):
        encode(pyro.module("net", net), x)

    return Built(model, recognise, (data(),), modules=(decoder, net))


def frozen_layer():
    """A part of the net that the user holds fixed, and does not show to Pyro."""
    net = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 3))
    net[0].requires_grad_(requires_grad=False)

    def model(x):
        pyro.module("last", net[2])
        decode(net, x)

    return Built(model, guide, (data(),), modules=(net,))


def batch_norm():
    """Running averages move once a step, and evaluation uses them."""
    decoder = nn.Linear(1, 3)
    encoder = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

    def model(x):
        decode(pyro.module("decoder", decoder), x)

    def recognise(x):
        encode(pyro.module("encoder", encoder), x)

    return Built(model, recognise, (data(),), modules=(decoder, encoder))


def dropout():
    decoder = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))

    def model(x):
        decode(pyro.module("decoder", decoder), x)

    return Built(model, guide, (data(),), modules=(decoder,))


def pyro_modules():
    """PyroModule throughout, and no pyro.module: Pyro finds their parameters by itself."""

    class Model(PyroModule):
        def __init__(self):
            super().__init__()
            self.net = PyroModule[nn.Sequential](
                PyroModule[nn.Linear](1, 4), nn.Tanh(), PyroModule[nn.Linear](4, 3)
            )

        def forward(self, x):
            decode(self.net, x)

    class Guide(PyroModule):
        def __init__(self):
            super().__init__()
            self.net = PyroModule[nn.Linear](3, 2)

        def forward(self, x):
            encode(self.net, x)

    model, recognise = Model(), Guide()
    return Built(model, recognise, (data(),), modules=(model, recognise))


BUILDS = {
    "methods of one module": methods,
    "nets in closures": closure,
    "net in the closure of a helper": closure_of_closure,
    "layers in a list": lists,
    "nets in a dictionary": dictionaries,
    "plain class that holds nets": plain_class,
    "callable object that holds a net": callable_object,
    "module under two names": aliased,
    "tied weights": tied,
    "frozen layer": frozen_layer,
    "batch norm": batch_norm,
    "dropout": dropout,
    "PyroModules": pyro_modules,
}

COPIED = (methods, plain_class, callable_object, aliased, pyro_modules)

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
