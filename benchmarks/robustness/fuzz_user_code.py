"""Models, guides and functions as users write them, for calls that pass them on.

What they raise is the user's affair; :data:`OWN` names all that run as the user's code.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import nn

X = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
OWN = ("rows_model", "mean_model", "own_guide", "raising_model", "nothing", "same", "text")


class OwnError(Exception):
    """An error class of the user's own."""


class Net(nn.Module):
    """A user's module, neither guide nor model."""

    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, 1)


def rows_model(x):
    """A user's model with a latent for each row."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z[..., None], 1.0).expand([*z.shape, 3]).to_event(1), obs=x)


def mean_model(x):
    """A user's model with one latent."""
    mean = pyro.sample("mean", dist.Normal(torch.zeros(()), 1.0))
    with pyro.plate("data", x.shape[0]):
        pyro.sample("x", dist.Normal(mean, 1.0).expand(x.shape).to_event(x.dim() - 1), obs=x)


def own_guide(x):
    """A user's guide for `mean_model`."""
    loc = pyro.param("loc", torch.zeros(()))
    pyro.sample("mean", dist.Normal(loc, 1.0))


def raising(error, after):
    """A model that raises from its call number `after` on."""
    calls = []

    def raising_model(x):
        calls.append(None)
        if len(calls) >= after:
            raise error("the model's own words")
        return mean_model(x)

    return raising_model


def nothing(*args, **kwargs):
    """A function that takes anything and gives nothing."""
    return


def same(step):
    """A schedule that gives the step back."""
    return step


def text(*args, **kwargs):
    """A function that gives text where a number is wanted."""
    return "text"
