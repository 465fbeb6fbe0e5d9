"""Guides reach a target that lies inside their family, and their bound is then the evidence.

A guide with a gap g to log p(x) has log-weights of standard deviation about sqrt(2 g), so that
"within 5 standard errors over 5,000 draws" resolves gaps of 0.01 nats.
"""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, clock, standard_error
from pyro import poutine
from torch import nn

import zoo
from guides import (
    GUIDES,
    IAF,
    AmortisedDiscrete,
    AmortisedFullRank,
    AmortisedIAF,
    AmortisedNormal,
    FullRank,
    MeanField,
    PerDatum,
)
from zoo.isolation import isolated
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.objectives import Trace
from zoo.optim.schedules import Cosine
from zoo.program import build

DRAWS = 5_000
NOISE = 0.5


class Linear(nn.Module):
    """z ~ N(0, I), y ~ N(A z, NOISE^2 I): the posterior is Gaussian and known."""

    def __init__(self, *, orthogonal):
        super().__init__()
        design = torch.tensor([[1.0, 0.8, 0.0], [0.0, 0.6, 0.5], [0.3, 0.0, 1.0], [1.0, 1.0, 0.0]])
        self.register_buffer("design", torch.linalg.qr(design)[0] if orthogonal else design)

    def forward(self, y):
        z = pyro.sample("z", dist.Normal(y.new_zeros(3), 1.0).to_event(1))
        mean = z @ self.design.mT
        pyro.sample("y", dist.Normal(mean, NOISE).to_event(1), obs=y)

    def covariance(self):
        return torch.linalg.inv(torch.eye(3) + self.design.mT @ self.design / NOISE**2)

    def log_evidence(self, y):
        covariance = self.design @ self.design.mT + NOISE**2 * torch.eye(4)
        return dist.MultivariateNormal(y.new_zeros(4), covariance).log_prob(y)


Y = torch.tensor([1.0, -0.5, 0.3, 2.0]).double()


def log_weights(fitted, *args):
    """log p(x, z) - log q(z) of `DRAWS` draws, nats for all rows."""
    with isolated(seed=9), torch.no_grad(), fitted.program.handlers(None):
        (traces,) = fitted.program.pair.draw(DRAWS, args, {})
        names = [n for n, site in traces.guide.nodes.items() if site["type"] == "sample"]
        total = -sum(traces.guide.nodes[n]["log_prob"].reshape(DRAWS, -1).sum(-1) for n in names)
        names = [n for n, site in traces.model.nodes.items() if site["type"] == "sample"]
        for name in names:
            total = total + traces.model.nodes[name]["log_prob"].reshape(DRAWS, -1).sum(-1)
    return total


def train(model, guide, *args, steps=1500, lr=0.05, **settings):
    return zoo.fit(
        model,
        guide,
        *args,
        steps=steps,
        lr=lr,
        lr_schedule=Cosine(steps),
        device="cpu",
        freeze_model=isinstance(model, ProbabilisticPCA),
        compile=False,
        **settings,
    )


def gap(fitted, evidence, *args):
    log_w = log_weights(fitted, *args)
    return evidence - log_w.mean(), standard_error(log_w)


@pytest.mark.thin(2)
@pytest.mark.parametrize(("family", "orthogonal"), [(FullRank, False), (MeanField, True)])
def test_a_gaussian_posterior(family, orthogonal):
    model = Linear(orthogonal=orthogonal)
    fitted = train(model, family, Y, objective=Trace(8), steps=800)
    missing, error = gap(fitted, model.log_evidence(Y), Y)
    assert missing.abs() < ERRORS * error
    assert error < 1e-3


@torch.no_grad()
def test_full_rank_holds_the_exact_posterior():
    """With the exact moments as parameters every draw has the same weight, the evidence."""
    model, covariance = Linear(orthogonal=False), Linear(orthogonal=False).covariance()
    with isolated(seed=0):
        guide = build(model, FullRank, Trace(), (Y,)).guide
        factor = torch.linalg.cholesky(covariance)
        below = factor[tuple(torch.tril_indices(3, 3, offset=-1))]
        diagonal = factor.diagonal().expm1().log() + 2.0
        guide.loc.copy_(covariance @ model.design.mT @ Y / NOISE**2)
        guide.factor.copy_(torch.cat([diagonal, below]))
        for _ in range(3):
            traces = zoo.traces.run(model, guide, (Y,), {})
            found = traces.model.log_prob_sum() - traces.guide.log_prob_sum()
            assert found.item() == pytest.approx(model.log_evidence(Y).item(), rel=IDENTITY)


@pytest.mark.thorough
def test_mean_field_misses_correlations_and_a_flow_gets_most_of_them():
    model = Linear(orthogonal=False)
    precision = torch.linalg.inv(model.covariance())
    best = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    plain, error = gap(train(model, MeanField, Y, objective=Trace(8)), model.log_evidence(Y), Y)
    assert (plain - best).abs() < ERRORS * error
    flow, flow_error = gap(
        train(model, partial(IAF, hidden=16), Y, objective=Trace(8), lr=0.02),
        model.log_evidence(Y),
        Y,
    )
    assert flow > -ERRORS * flow_error
    assert best / 5 - flow > ERRORS * flow_error


def ppca(*, orthogonal, rows=6):
    with isolated(seed=3):
        model, x = ProbabilisticPCA(4, 2), torch.randn(rows, 4)
        with torch.no_grad():
            weight = torch.tensor([[1.0, 0.8], [0.2, 1.0], [-0.5, 0.3], [0.7, 0.9]])
            model.weight.copy_(torch.linalg.qr(weight)[0] if orthogonal else weight)
            model.log_scale.fill_(-0.5)
    return model, x


ROWWISE = {
    "per_datum": (PerDatum, True),
    "amortised_normal": (partial(AmortisedNormal, body=nn.Identity()), True),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ROWWISE)
def test_a_gaussian_posterior_of_every_row(name):
    family, orthogonal = ROWWISE[name]
    model, x = ppca(orthogonal=orthogonal)
    fitted = train(model, family, x, objective=Trace(64))
    missing, error = gap(fitted, model.log_evidence(x).sum().detach(), x)
    assert missing.abs() < ERRORS * error
    assert error < 2e-3


@pytest.mark.thorough
def test_an_amortised_full_rank_normal_is_exact():
    """On a linear-Gaussian model, where the best diagonal one misses more than a nat."""
    model, x = ppca(orthogonal=False)
    family = partial(AmortisedFullRank, body=nn.Identity())
    fitted = train(model, family, x, objective=Trace(64), steps=2000, lr=0.2)
    missing, error = gap(fitted, model.log_evidence(x).sum().detach(), x)
    assert missing.abs() < ERRORS * error
    assert error < 2e-3
    best_diagonal = model.mean_field_gap(x).sum().detach()
    assert missing.abs() < best_diagonal / 50


@pytest.mark.thorough
def test_an_amortised_flow_beats_the_best_diagonal_normal():
    model, x = ppca(orthogonal=False)
    family = partial(AmortisedIAF, body=nn.Identity(), context=4)
    fitted = train(model, family, x, objective=Trace(8), lr=0.02)
    missing, error = gap(fitted, model.log_evidence(x).sum().detach(), x)
    best_diagonal = model.mean_field_gap(x).sum().detach()
    assert missing > -ERRORS * error
    assert best_diagonal / 2 - missing > ERRORS * error


@pytest.mark.thorough
def test_a_fixed_scale_has_the_right_mean_and_no_more():
    """The best mean is exact whatever the scale, so its gap is known in closed form."""
    model, x = ppca(orthogonal=True)
    family = partial(GUIDES["amortised_fixed_scale"], body=nn.Identity())
    fitted = train(model, family, x, objective=Trace(8))
    variance = model.posterior(x)["z"].covariance_matrix.diagonal(dim1=-1, dim2=-2).detach()
    ratio = 0.5**2 / variance
    known = 0.5 * (ratio - 1 - ratio.log()).sum()
    missing, error = gap(fitted, model.log_evidence(x).sum().detach(), x)
    assert (missing - known).abs() < ERRORS * error


@pytest.mark.thorough
def test_a_binary_posterior():
    """With one cause the exact logit is affine in x, and so is the encoder."""
    model = BernoulliLatent(3, (4,), 1)
    x = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    family = partial(AmortisedDiscrete, body=nn.Identity())
    fitted = zoo.fit(
        model,
        family,
        x,
        objective="enumerate",
        steps=1500,
        lr=0.05,
        freeze_model=True,
        lr_schedule=Cosine(1500),
        device="cpu",
        compile=False,
    )
    exact = model.log_evidence(x).sum().item()
    assert -fitted.losses[-1].item() == pytest.approx(exact, rel=1e-4)
    assert -fitted.losses[-1].item() <= exact + IDENTITY
    q = poutine.trace(fitted.guide).get_trace(x).nodes["z"]["fn"].base_dist.probs
    assert torch.allclose(q, model.posterior_moments(x)["z"][0], rtol=1e-4, atol=0.0)
    assert clock().item() == 0.0
