"""Self-supervised VAE: the coarse picture, the formula, and the bound on log p(x, d(x))."""

import math

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, built, scatter, standard_error
from joint import close, log_total
from steps import a_capture, equal_on_fresh_inputs
from torch import nn
from torch.nn.functional import softplus

import zoo
from guides import AmortisedNormal, BottomUp
from zoo.latents import describe
from zoo.models.exact_sums import states
from zoo.models.vaes.self_vae import SelfVAE
from zoo.objectives import Trace
from zoo.priors import StandardNormal
from zoo.traces import log_mean_exp, weigh

NODES = 40


def small(image=(2, 2), latent=1):
    model = SelfVAE(image, StandardNormal(latent), latent, (6,))
    scatter(model, spread=0.7)
    return model


def test_the_coarse_picture():
    model = small((2, 6))
    x = torch.tensor([[1.0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 1]]).reshape(1, 12)
    assert model.halve(x).tolist() == [[0.0, 1.0, 0.0]]
    x[0, 6] = 1.0  # two of four
    assert model.halve(x).tolist() == [[1.0, 1.0, 0.0]]


def test_joint_equals_the_formula():
    model, x = small((2, 4), 3), torch.bernoulli(torch.full((5, 8), 0.5))
    u, z, y = torch.randn(5, 3), torch.randn(5, 3), model.halve(x)
    loc, unscaled = network(model.details, torch.cat([u, y], -1)).chunk(2, -1)
    expected = dist.Normal(0.0, 1.0).log_prob(u).sum(-1)
    expected = expected + dist.Normal(loc, softplus(unscaled) + 1e-3).log_prob(z).sum(-1)
    for part, value, given in (
        (model.coarse_decoder, y, u),
        (model.decoder, x, torch.cat([y, z], -1)),
    ):
        logits = network(part, given)
        expected = expected + dist.Bernoulli(logits=logits).log_prob(value).sum(-1)
    close(log_total(model, {"u": u, "z": z}, x), expected.sum())


def network(part, value):
    first, _, second = part
    return second(torch.relu(first(value)))


def by_quadrature(model, x, y):
    """log p(x, y) of the 2x2 model with 1-D latents: (pictures, coarse), Gauss-Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    nodes, log_weights = torch.tensor(nodes), torch.tensor(weights / math.sqrt(2 * math.pi)).log()
    u = nodes[:, None, None].expand(-1, len(y), 1)
    loc, scale = model.moments(u, y)  # (nodes, coarse, 1)
    z = loc + scale * nodes  # (nodes of u, coarse, nodes of z)
    coarse = bits(model.coarse_decoder(u), y)
    seen = y[:, None].expand(NODES, len(y), NODES, 1)
    logits = model.decoder(torch.cat([seen, z[..., None]], -1))
    fine = bits(logits, x[:, None, None, None])
    inner = (fine + log_weights).logsumexp(-1)
    return (inner + coarse + log_weights[:, None]).logsumexp(1)


def bits(logits, value):
    return dist.Bernoulli(logits=logits).log_prob(value).sum(-1)


@torch.no_grad()
def test_pictures_with_their_own_coarse_ones_have_at_most_probability_one():
    """All (x, y) sum to one; those with y = d(x), whose log p the bound is on, to less."""
    model, x, y = small(), states(4), states(1)
    log_p = by_quadrature(model, x, y)
    own = log_p.gather(1, model.halve(x).long())
    close(log_p.exp().sum(), torch.ones(()))
    assert own.exp().sum() < 1
    assert (own[:, 0] < log_p.logsumexp(1)).all()  # log p(x, d(x)) < log p(x)


@torch.no_grad()
def test_importance_weights_estimate_the_joint_evidence():
    model, x = small(), states(4)
    exact = by_quadrature(model, x, states(1)).gather(1, model.halve(x).long())[:, 0]
    for family in (AmortisedNormal, BottomUp):
        with built(model, family, Trace(), (x,)) as program:
            program.model.load_state_dict(model.state_dict())
            for head in [part for part in program.guide.modules() if isinstance(part, nn.Linear)]:
                head.weight.mul_(0.3)
                head.bias.copy_(torch.where(torch.arange(len(head.bias)) % 2 == 1, 0.8, 0.0))
            log_w = weigh(program.pair.draw(20_000, (x,), {}), program.latents, rowwise=True).log_w
        ratio = (log_w - exact).exp()
        z = (ratio.mean(0) - 1) / standard_error(ratio)
        assert z.abs().max() < ERRORS
        assert (log_w.mean(0) < exact).all()
        assert (log_mean_exp(log_w) - exact).abs().max() < 0.2


def test_mean():
    model, u = small((2, 4), 3), torch.randn(2, 5, 3)
    y = (model.coarse_decoder(u) > 0).double()
    z = model.moments(u, y)[0]
    logits = model.decoder(torch.cat([y, z], -1))
    close(model.mean(u), torch.sigmoid(logits))
    close(model.mean(u, z), model.mean(u))


@pytest.mark.thorough
def test_captured_equals_plain():
    x = torch.bernoulli(torch.full((6, 8), 0.5))
    with a_capture(small((2, 4), 2), AmortisedNormal, (x,), batch=3) as parts:
        assert equal_on_fresh_inputs(*parts)


def test_what_describe_finds():
    latents = describe(small((2, 4), 2), torch.ones(3, 8))
    assert latents.observed == ("y", "x")
    assert latents.derived == ("y",)
    assert latents.hidden == (6,)
    assert latents.vectorises


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"Expected an even height and width.*got \(3, 4\)"):
        SelfVAE((3, 4), StandardNormal(2), 2)
    with pytest.raises(ValueError, match=r"Expected x of shape \(5, 8\); got \(5, 4\)"):
        small((2, 4))(torch.zeros(5, 4))
    with pytest.raises(ValueError, match="'bernoulli' takes pixels of 0 and 1"):
        zoo.load("self_vae", binarize="none").build()
