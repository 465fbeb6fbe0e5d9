"""Estimators for Bernoulli latents where sites differ in their plates."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, flat
from network_of_causes import largest_z
from steps import a_program
from torch import nn

import zoo
from zoo.gradients.sampler import gradient_draws
from zoo.latents import describe
from zoo.models.exact_sums import states
from zoo.objectives.arm import ARM
from zoo.objectives.arms import ARMS
from zoo.objectives.disarm import DisARM
from zoo.objectives.double_cv import DoubleControlVariates
from zoo.objectives.log_ratio import row_sums, spread, widen
from zoo.objectives.rodeo import RODEO


class TwoSites(nn.Module):
    """Each row has a bit `a`, and three bits `b` in a plate of their own."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(2)), nn.Parameter(torch.randn(3, 2))

    def forward(self, x):
        with pyro.plate("data", len(x), dim=-1):
            a = pyro.sample("a", dist.Bernoulli(logits=self.a))
            with pyro.plate("parts", 3, dim=-2):
                b = pyro.sample("b", dist.Bernoulli(logits=self.b))
        return a, b


class TwoSitesCost(nn.Module):
    """p = the prior Bernoulli(1/2) of every bit, times exp(cost), in the same plates."""

    def forward(self, x):
        half = torch.zeros(())
        with pyro.plate("data", len(x), dim=-1):
            a = pyro.sample("a", dist.Bernoulli(logits=half))
            with pyro.plate("parts", 3, dim=-2):
                b = pyro.sample("b", dist.Bernoulli(logits=half))
            b = b.sum(-2, keepdim=True).reshape(a.shape)
            pyro.factor("cost", two_site_cost(a, b, x))


def two_site_cost(a, total, x):
    return x * (total - a) ** 2 + a * total


def two_site_elbo(program, x):
    bits = states(4)
    guide = program.guide
    bound = 0.0
    for row in range(2):
        logits = torch.cat([guide.a[row : row + 1], guide.b[:, row]])
        log_q = dist.Bernoulli(logits=logits).log_prob(bits).sum(-1)
        cost = two_site_cost(bits[:, 0], bits[:, 1:].sum(-1), x[row])
        bound = bound + (log_q.exp() * (cost - 4 * torch.tensor(2.0).log() - log_q)).sum()
    return bound


@pytest.mark.thin(4)
@pytest.mark.parametrize(
    "objective",
    [ARM(), DisARM(pairs=2), ARMS(3), DoubleControlVariates(3), RODEO(hidden=6)],
    ids=str,
)
def test_sites_in_plates_of_their_own_are_unbiased(objective):
    x = torch.tensor([0.5, -0.7])
    with a_program(TwoSitesCost(), TwoSites(), (x,), objective) as (program, rows, _):
        exact = exact_gradient_of_guide(program, x)
        found = gradient_draws(program, rows, 5_000)
        assert program.latents.nesting == 2
    guide = [i for i, name in enumerate(found.layout.names) if name.startswith("guide")]
    parts = found.gradients.split([shape.numel() for shape in found.layout.shapes], -1)
    assert largest_z(torch.cat([parts[i] for i in guide], -1), exact) < ERRORS


def exact_gradient_of_guide(program, x):
    return flat(torch.autograd.grad(-two_site_elbo(program, x), list(program.guide.parameters())))


def test_row_sums_undo_spread():
    x = torch.tensor([0.5, -0.7])
    latents = describe(TwoSitesCost(), x)
    signal = torch.randn(5, 2)
    for name, count in (("a", 1), ("b", 3)):
        site = latents[name]
        full = spread(signal, latents, site).expand(5, count, 2)
        assert torch.allclose(row_sums(full, latents, site), count * signal, rtol=IDENTITY)
    assert widen(torch.zeros(2), latents, latents["a"]).shape == (1, 2)


def one_bit():
    z = pyro.sample("z", dist.Bernoulli(0.5))
    pyro.factor("gain", 3.0 * z)


def its_guide():
    logit = pyro.param("logit", torch.tensor(0.3))
    pyro.sample("z", dist.Bernoulli(logits=logit))


@pytest.mark.parametrize("objective", [ARM(), ARMS(), DisARM(), DoubleControlVariates(), RODEO()])
def test_one_bit_in_no_plate(objective):
    assert zoo.fit(one_bit, its_guide, objective=objective, steps=2).losses.isfinite().all()
