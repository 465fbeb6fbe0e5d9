"""Small models with finite latents of every layout, and their exact gradients."""

import pyro
import pyro.distributions as dist
import torch
from cases import (
    built,
)
from network_of_causes import (
    ROWS,
    batch_gradients,
)
from torch import nn

from zoo.isolation import isolated
from zoo.models.discrete.categorical_vae import CategoricalVAE
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.objectives import Enumerate


def categorical():
    return CategoricalVAE(3, 2, 3, (8,))


def layers():
    return SigmoidBeliefNet(3, (2, 3), learned_prior=True)


class Table(nn.Module):
    """Integers 0 .. 4 that choose a row of a table."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.randn(5, 3))

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Categorical(x.new_ones(5)))
            pyro.sample("x", dist.Bernoulli(logits=self.logits[z]).to_event(1), obs=x)


class Grid(nn.Module):
    """Causes in a plate of their own beside the rows', two of them in a vector."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(3, 2, 3))

    def forward(self, x):
        with pyro.plate("data", len(x), dim=-1):
            with pyro.plate("causes", 3, dim=-2):
                z = pyro.sample("z", dist.Bernoulli(x.new_full((2,), 0.4)).to_event(1))
            logits = torch.einsum("...nri,nio->...ro", z, self.weights).unsqueeze(-3)
            pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)


def seeded(model):
    with isolated(seed=1):
        return model()


def by_enumeration(model, guide):
    """The exact gradient of the ELBO at the parameters that `built` gives."""
    with built(seeded(model), guide, Enumerate(), (ROWS,)) as program:
        return batch_gradients(program, ROWS, batches=1, copies=1)[0]
