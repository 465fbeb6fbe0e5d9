"""A module that draws, as machine code: the same values from the same random state, or none."""

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from torch import nn

from zoo.compile.drawing import compiled_draw


class Shifted(nn.Module):
    """Normals and a uniform choice, shifted by a parameter and a buffer."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, x):
        z = x + self.scale * torch.randn(4, 3)
        return torch.where(torch.rand(4, 3) < 0.5, z, self.shift)


class Of(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


X, OTHER = torch.tensor([0.0, -1.0, 2.0]), torch.tensor([5.0, 4.0, -3.0])


def test_code_draws_what_the_module_draws():
    module, before = Shifted(), torch.get_rng_state()
    code = compiled_draw(module, (X,), (OTHER,))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    found, again = code(OTHER), code(X)
    after = torch.get_rng_state()
    torch.manual_seed(1)
    with torch.no_grad():
        torch.testing.assert_close(found, module(OTHER), rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(again, module(X), rtol=1e-8, atol=1e-8)
    assert torch.equal(torch.get_rng_state(), after)


def test_constants_are_no_obstacle():
    density = Of(lambda x: dist.Normal(torch.zeros(3), 1.0).log_prob(x))
    code = compiled_draw(density, (X,), (OTHER,))
    expected = dist.Normal(0.0, 1.0).log_prob(X)
    torch.testing.assert_close(code(X), expected, rtol=1e-8, atol=1e-8)


CALLS = iter(range(1000))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.sin() if x.sum() > 0 else x.cos(),
        lambda x: x + next(CALLS),
        lambda x: dist.Poisson(x.exp()).sample(),
        lambda x: torch.linalg.cholesky(torch.diag(x + 4)),
        lambda x: x * float(x.max()),
        lambda x: x + float(np.abs(x.numpy()).max() > 100),
        lambda x: x + float(np.asarray(x).max() > 100),
    ],
    ids=["branch", "counter", "noise", "factorisation", "value", "numpy", "array"],
)
def test_what_cannot_be_code_is_left_as_it_is(function):
    assert compiled_draw(Of(function), (X,), (OTHER,)) is None
