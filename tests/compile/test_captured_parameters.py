"""A capture leaves every parameter where it was, or is refused."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from networks import RATE, Shared, X
from steps import a_program
from torch import nn

from guides import MeanField
from zoo.compile.capture import CaptureError, capture
from zoo.optim.update import Update
from zoo.training.trainer import Trainer


def held(program):
    return {
        f"{prefix}.{own}": id(parameter)
        for prefix, part in program.named_modules(remove_duplicate=False)
        for own, parameter in part._parameters.items()
    }


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("kind", ["methods", "alias", "tied"])
def test_a_capture_leaves_every_parameter_where_it_was(kind, seen):
    shared = Shared(kind, seen=seen)
    with a_program(shared.model, shared.guide, (X,)) as (program, rows, parameters):
        before = held(program)
        if seen:
            capture(program, rows, parameters)
        else:
            with pytest.raises(CaptureError, match="cannot be traced"):
                capture(program, rows, parameters)
        assert held(program) == before
        start = {name: p.detach().clone() for name, p in program.named_parameters()}
        Trainer(program, rows, Update("adam", RATE, None, 0.0, None), parameters).advance(2)
        later = dict(program.named_parameters())
        still = [name for name in start if torch.equal(start[name], later[name])]
        assert not still


class Replaces(nn.Module):
    """A model that gives itself another parameter in each call."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        z = pyro.sample("z", dist.Normal(self.shift, 1.0))
        self.shift = nn.Parameter(torch.ones(()))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def test_a_capture_that_would_train_another_parameter_is_refused():
    with a_program(Replaces(), MeanField, (X[:, 0],)) as (program, rows, parameters):
        before = held(program)
        with pytest.raises(CaptureError):
            capture(program, rows, parameters)
        assert held(program) == before
