"""The VAE whose prior and density of a row are RealNVPs: its density against autograd and sums."""

import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, ERRORS, built, scatter, standard_error
from cases_vaes import small_flow_vae
from joint import close, log_joint
from steps import a_capture, equal_on_fresh_inputs
from torch.nn.functional import logsigmoid

import zoo
from guides import AmortisedIAF
from zoo.likelihoods.realnvp import ALPHA, RealNVPLikelihood
from zoo.models.vaes.dequantised_vae import DequantisedVAE
from zoo.objectives import Trace
from zoo.priors import StandardNormal


def flow(features=5, depth=3):
    likelihood = RealNVPLikelihood(features, depth=depth, hidden=4)
    scatter(likelihood, spread=0.3)
    return likelihood


def bent(likelihood, e, outputs):
    return likelihood._squash(likelihood._couple(e, outputs.flatten(-2)))


@pytest.mark.parametrize("features", [2, 5])
def test_log_density_is_the_change_of_variables(features):
    likelihood, outputs = flow(features), torch.randn(4, features, 1)
    e = torch.randn(4, features)
    y = bent(likelihood, e, outputs)
    jacobian = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda one, c=c: bent(likelihood, one, c), row)
            for row, c in zip(e, outputs, strict=True)
        ]
    )
    log_det = torch.linalg.slogdet(jacobian)[1]
    expected = dist.Normal(0.0, 1.0).log_prob(e).sum(-1) - log_det
    close(likelihood(outputs).log_prob(y), expected)


def test_every_value_is_moved():
    likelihood, outputs = flow(5, depth=2), torch.randn(1, 5, 1)
    e = torch.randn(1, 5)
    plain = likelihood._squash(e)
    assert (bent(likelihood, e, outputs) != plain).all()


@torch.no_grad()
def test_density_integrates_to_one():
    """In two dimensions, on a grid of logits; the slope of y in them is known."""
    likelihood, outputs = flow(2), torch.randn(2, 1)
    line = torch.linspace(-16, 16, 1201)
    w = torch.cartesian_prod(line, line)
    slope = logsigmoid(w) + logsigmoid(-w) - torch.tensor(1 - 2 * ALPHA).log()
    y = (torch.sigmoid(w) - ALPHA) / (1 - 2 * ALPHA)
    found = likelihood(outputs).log_prob(y) + slope.sum(-1)
    total = found.exp().sum() * (line[1] - line[0]) ** 2
    assert total.item() == pytest.approx(1, rel=AUTODIFF)


@torch.no_grad()
def test_draws_follow_the_density():
    """E 1/p over draws of p is the volume, where p is bounded below: a box well inside."""
    likelihood, outputs = flow(2), torch.zeros(2, 1)
    density = likelihood(outputs).expand((200_000,))
    y = density.sample()
    inside = ((y > 0.3) & (y < 0.7)).all(-1)
    ratio = torch.where(inside, (-density.log_prob(y)).exp(), 0.0)
    assert abs(ratio.mean() - 0.16) < ERRORS * standard_error(ratio)


@torch.no_grad()
def test_joint_has_the_bins_volume():
    """Two levels and two pixels: the sum over pictures is the mass of y in the unit square."""
    likelihood = flow(2)
    model = DequantisedVAE(Outputs(), likelihood, StandardNormal(1), 2)
    x = torch.cartesian_prod(torch.arange(2.0), torch.arange(2.0))
    place = (torch.arange(400) + 0.5) / 400
    u = torch.cartesian_prod(place, place)[:, None].expand(-1, 4, 2)
    z = torch.zeros(len(u), 4, 1)
    found = log_joint(model, {"z": z, "u": u}, x) - dist.Normal(0.0, 1.0).log_prob(z).sum(-1)
    total = found.exp().mean(0).sum()
    y = (torch.arange(800) + 0.5) / 800
    grid = torch.cartesian_prod(y, y)
    expected = likelihood(torch.zeros(2, 1)).log_prob(grid).exp().mean()
    close(total, expected)
    assert total < 1


class Outputs(torch.nn.Module):
    """A decoder that gives zeros."""

    def forward(self, z):
        return z.new_zeros(*z.shape[:-1], 2, 1)


@pytest.mark.thorough
def test_captured_equals_plain():
    x = torch.randint(5, (4, 6)) / 4.0
    with a_capture(small_flow_vae(), AmortisedIAF, (x,), batch=2) as parts:
        assert equal_on_fresh_inputs(*parts)


def test_mean_is_the_image_of_the_middle():
    with built(small_flow_vae(), AmortisedIAF, Trace(), (torch.zeros(2, 6),)) as program:
        mean = program.model.mean(torch.randn(3, 3))
    assert mean.shape == (3, 6)
    assert ((mean >= 0) & (mean <= 1)).all()


def test_what_is_refused():
    with pytest.raises(ValueError, match="Expected features of at least 2.*got 1"):
        RealNVPLikelihood(1)
    with pytest.raises(ValueError, match="Expected latent of at least 2"):
        zoo.load("flow_vae", latent=1).build()
