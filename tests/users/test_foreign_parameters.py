"""Parameters of models as strangers write them: what Pyro's SVI trains is trained, to its numbers.

The guides here draw nothing, so that Pyro and the zoo take the very same steps.
"""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY
from networks import PLACES, RATE, STEPS, Shared, X, body, by_pyro, in_a_list, network, point
from pyro import poutine
from pyro.infer import Trace_ELBO
from torch import nn
from torch.distributions import constraints

import zoo
from guides import MeanField
from zoo.objectives import OBJECTIVES


@pytest.mark.thin(5)
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


def scales(x):
    spread = pyro.param("spread", torch.tensor(2.0), constraint=constraints.positive)
    z = pyro.sample("z", dist.Normal(0.0, spread))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def test_a_frozen_model_keeps_its_param_statements():
    fitted = zoo.fit(scales, MeanField, torch.linspace(1.0, 3.0, 5), steps=5, freeze_model=True)
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


def test_a_conditioned_model_in_a_handler():
    """A handler around the model is no obstacle to what lies inside."""
    model = poutine.scale(in_a_list(), scale=1.0)
    fitted = zoo.fit(model, point, X, steps=2)
    assert len(list(fitted.program.parameters())) == 5
