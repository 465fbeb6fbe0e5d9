"""Toys: a Pyro pair whose f(z) = log p(x, z) - log q(z) is a cost of one's own.

The model draws the latent from the guide's own distribution, held constant, and adds the cost as
a factor. So log p - log q equals the cost in value, the exact gradient of the ELBO is that of

    E_{b ~ Bernoulli(sigmoid(l))} cost(b)      or      E_{x ~ N(theta, 1)} cost(x),

and an objective's gradient, its sign turned, is the estimator of the textbooks. There
are no data and no plates:

    with a_toy(bernoulli_toy(square_distance(0.45), torch.zeros(1)), DisARM()) as program:
        gradients = toy_gradients(program, draws=1000)  # shape (draws, coordinates)

Costs take tensors of shape (..., event) and give one of shape (...).
"""

from contextlib import contextmanager

import pyro
import pyro.distributions as dist
import torch
from cases import built, clock
from network_of_causes import ROWS
from steps import a_program
from torch import nn

from guides import AmortisedDiscrete
from zoo.compile.noise import ExplicitNoise, replay
from zoo.data import keep
from zoo.data.batches import Batches
from zoo.gradients.sampler import gradient_draws
from zoo.models.exact_sums import states

LOGITS = torch.tensor([0.3, -1.5, 2.0])


class Independent(nn.Module):
    """q(z): one parameter a coordinate, and the distribution that it makes."""

    def __init__(self, family, values):
        super().__init__()
        self.family, self.values = family, nn.Parameter(values.clone())

    def forward(self):
        return pyro.sample("z", self.family(self.values).to_event(1))


class Cost(nn.Module):
    """p(z) = q(z) with q's parameters held constant, times exp(cost(z))."""

    def __init__(self, cost, guide):
        super().__init__()
        self.cost, self.guide = cost, (guide,)  # not a submodule: its parameters are the guide's

    def forward(self):
        (guide,) = self.guide
        z = pyro.sample("z", guide.family(guide.values.detach()).to_event(1))
        pyro.factor("cost", self.cost(z))


def bernoulli(logits):
    return dist.Bernoulli(logits=logits)


def unit_normal(loc):
    return dist.Normal(loc, 1.0)


def bernoulli_toy(cost, logits):
    """Model and guide for E_{b ~ Bernoulli(sigmoid(logits))} cost(b)."""
    guide = Independent(bernoulli, logits)
    return Cost(cost, guide), guide


def gaussian_toy(cost, loc):
    """Model and guide for E_{x ~ N(loc, 1)} cost(x), independent coordinates."""
    guide = Independent(unit_normal, loc)
    return Cost(cost, guide), guide


def square_distance(target):
    """b -> 1/D ||b - target||^2."""
    return lambda b: ((b - target) ** 2).mean(-1)


@contextmanager
def a_toy(toy, objective):
    """A program of the toy at the parameters given.

    An objective's own parameters are moved off their first values, so that they matter.
    """
    model, guide = toy
    with built(model, guide, objective, ()) as program:
        with torch.no_grad():
            program.guide.values.copy_(guide.values)
        yield program


def no_rows():
    return Batches((), keep, None)


def toy_gradients(program, draws, *, seed=0):
    """Gradients of the expected cost, shape (draws, coordinates)."""
    found = gradient_draws(program, no_rows(), draws, seed=seed)
    sizes = [shape.numel() for shape in found.layout.shapes]
    columns = dict(zip(found.layout.names, found.gradients.split(sizes, -1), strict=True))
    (name,) = (name for name in columns if name.startswith("guide"))
    return -columns[name]


def curved(b):
    """Not linear, not symmetric, and another function between 0 and 1 than at both ends."""
    line = (b * torch.tensor([1.0, -2.0, 0.5])).sum(-1)
    return line**2 + 1.5 * b.prod(-1)


def linear(b):
    return (b * torch.tensor([1.0, -2.0, 0.5])).sum(-1)


def gradient_under(toy, objective, noise, change=None):
    """Gradient of the expected cost under given noise, and the program.

    `change` is done to the objective's own parameters before.
    """
    with a_toy(toy, objective) as program:
        if change is not None:
            change(program.state)
        with ExplicitNoise(replay(noise)):
            program.backward(clock(), None)
        return -program.guide.values.grad, program


def exact_toy_gradient(cost, logits):
    """The gradient of E cost(b) in the logits, by the sum over all states."""
    logits = logits.clone().requires_grad_()
    b = states(len(logits)).to(logits)
    chance = dist.Bernoulli(logits=logits).log_prob(b).sum(-1).exp()
    return torch.autograd.grad((chance * cost(b)).sum(), logits)[0]


def variance_and_error(values):
    """Variance of each coordinate's draws, their mean, and the standard error of that mean."""
    squares = ((values - values.mean(0)) ** 2).mean(-1)
    scale = len(values) / (len(values) - 1)
    return squares.mean() * scale, squares.std() / len(values) ** 0.5


def guide_variance(model, objective, draws=4000):
    """Variance of the guide's gradient on two rows of three bits, and its standard error."""
    with a_program(model, AmortisedDiscrete, (ROWS,), objective) as (program, rows, _):
        found = gradient_draws(program, rows, draws)
    sizes = [shape.numel() for shape in found.layout.shapes]
    columns = zip(found.layout.names, found.gradients.split(sizes, -1), strict=True)
    guide = [column for name, column in columns if name.startswith("guide")]
    return variance_and_error(torch.cat(guide, -1))
