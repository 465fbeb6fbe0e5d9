"""Running averages, modes and gradients of the user's networks: what a fit counts and leaves."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from networks import RATE, STEPS, X, body, network, point
from steps import a_program
from torch import nn

import zoo
from guides import AmortisedNormal
from zoo.optim.update import Update
from zoo.training.trainer import Trainer


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
