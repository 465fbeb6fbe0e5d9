"""Which models broadcast over particles, and which are found not to."""

import pyro
import pyro.distributions as dist
import pytest
import torch

from zoo.latents import describe


def python_reshape(x):
    z = pyro.sample("z", dist.Normal(torch.zeros(4), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z.reshape(2, 2).sum(), 1.0), obs=x)


def reads_the_device(x):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(float(z), 1.0), obs=x)


def first_of(size):
    def model(x):
        z = pyro.sample("z", dist.Normal(torch.zeros(size), 1.0).to_event(1))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z[0], 1.0), obs=x)

    return model


def without_plate(size):
    def model(y):
        z = pyro.sample("z", dist.Normal(torch.zeros(size), 1.0).to_event(1))
        pyro.sample("y", dist.Normal(z[0], 1.0), obs=y)

    return model


@pytest.mark.parametrize(
    ("model", "args"),
    [
        (python_reshape, (torch.randn(5),)),
        (reads_the_device, (torch.randn(5),)),
        (first_of(3), (torch.randn(5),)),
        (first_of(3), (torch.randn(3),)),
        (first_of(5), (torch.randn(5),)),
        (without_plate(3), (torch.tensor(0.5),)),
        (without_plate(2), (torch.tensor(0.5),)),
    ],
)
def test_a_model_that_does_not_broadcast_over_particles(model, args):
    assert not describe(model, *args).vectorises


def ends_in_index(x):
    z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z[..., 0], 1.0), obs=x)


@pytest.mark.parametrize("rows", [2, 5])
def test_a_model_that_does(rows):
    assert describe(ends_in_index, torch.randn(rows)).vectorises
