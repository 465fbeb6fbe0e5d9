"""Closed-form KL terms under a guide that draws the latents in another order than the model."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, built, clock
from pyro.infer import TraceMeanField_ELBO
from torch import nn

import zoo
from zoo.objectives import FreeBits, MeanFieldKL, as_objective
from zoo.objectives.mean_field import in_order
from zoo.traces import run

X = torch.tensor(1.3)
STEPS = 20


def chain(x):
    """a -> b -> x."""
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    b = pyro.sample("b", dist.Normal(a, 1.0))
    pyro.sample("x", dist.Normal(b, 1.0), obs=x)


class Backwards(nn.Module):
    """Draws b first, and a given b: in this order neither prior belongs to q's own parents."""

    def __init__(self, slope=0.7):
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(0.4))
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x):
        b = pyro.sample("b", dist.Normal(self.mean, 0.8))
        pyro.sample("a", dist.Normal(self.slope * b, 0.6))


def exact_elbo(guide):
    """Gaussians all through: E (u - v)^2 = (E u - E v)^2 + Var(u - v)."""
    mean, slope, wide, thin = guide.mean, guide.slope, 0.8, 0.6
    energy = (slope * mean) ** 2 + (slope * wide) ** 2 + thin**2  # of a
    energy = energy + ((1 - slope) * mean) ** 2 + ((1 - slope) * wide) ** 2 + thin**2  # of b - a
    energy = energy + (X - mean) ** 2 + wide**2  # of x - b
    entropy = math.log(2 * math.pi * math.e) + math.log(wide * thin)
    return entropy - 1.5 * math.log(2 * math.pi) - 0.5 * energy


WIDE = TraceMeanField_ELBO(num_particles=5000, vectorize_particles=True, max_plate_nesting=0)


@pytest.mark.parametrize("objective", [MeanFieldKL(5000), as_objective(WIDE)])
def test_value_and_gradient_are_the_elbos(objective):
    losses, gradients = [], []
    with built(chain, Backwards(), objective, (X,)) as program:
        for _ in range(STEPS):
            program.zero_grad()
            losses.append(program.backward(clock(), None, X))
            gradients.append(torch.stack([p.grad.clone() for p in program.guide.parameters()]))
        exact = exact_elbo(program.guide)
        slopes = torch.stack(torch.autograd.grad(-exact, list(program.guide.parameters())))
    for found, truth in ((losses, -exact.detach()), (gradients, slopes)):
        values = torch.stack(found)
        assert ((values.mean(0) - truth).abs() < ERRORS * values.std(0) / STEPS**0.5).all()


def test_the_closed_form_is_kept_where_it_holds():
    def forwards(x):
        a = pyro.sample("a", dist.Normal(0.2, 0.5))
        pyro.sample("b", dist.Normal(a, 0.7))

    assert in_order(run(chain, forwards, (X,), {})) == {"a", "b"}
    assert in_order(run(chain, Backwards(), (X,), {})) == {"a"}


def test_free_bits_refuse_it():
    words = r"model's order, \['a', 'b'\]; the guide draws \['b', 'a'\].* or use mean_field\.$"
    for settings in ({"compile": False}, {"compile": True}):
        with pytest.raises(zoo.PairingError, match=words):
            zoo.fit(chain, Backwards(), X, objective=FreeBits(), steps=1, **settings)
