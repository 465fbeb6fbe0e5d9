"""Gaussian mixture and hidden Markov model against sums over all labels and all paths."""

import pyro.distributions as dist
import pytest
import torch
from cases import scatter
from joint import close, log_joint
from torch.nn.functional import one_hot

from guides import Empty
from zoo.models.discrete.gaussian_mixture import GaussianMixture
from zoo.models.exact_sums import blocks, one_hot_moments
from zoo.models.time_series.hmm import HiddenMarkov
from zoo.objectives import OBJECTIVES
from zoo.program import build
from zoo.protocols import HasEvidence, HasMoments, HasPosterior


def mixture(features=3, components=4, rows=6):
    model = GaussianMixture(features, components)
    scatter(model, 0.7)
    return model, 2 * torch.randn(rows, features)


def chain(length=6, states=3, rows=4):
    model = HiddenMarkov(length, states)
    scatter(model, 0.7)
    return model, 2 * torch.randn(rows, length)


def paths(length, states):
    """All states^length paths as one-hot values of the sites, each (paths, 1, states)."""
    index = torch.cat(list(blocks(length, states)))
    return index, {f"z_{t}": one_hot(index[:, None, t], states).double() for t in range(length)}


def test_claims():
    assert isinstance(mixture()[0], HasEvidence)
    assert isinstance(mixture()[0], HasMoments)
    assert isinstance(mixture()[0], HasPosterior)
    assert isinstance(chain()[0], HasEvidence)
    assert isinstance(chain()[0], HasMoments)
    assert not isinstance(chain()[0], HasPosterior)


def test_evidence_of_the_mixture():
    model, x = mixture()
    clouds = torch.distributions.Independent(dist.Normal(model.means, model.log_scales.exp()), 1)
    weights = torch.distributions.Categorical(logits=model.logits)
    reference = torch.distributions.MixtureSameFamily(weights, clouds)
    close(model.log_evidence(x), reference.log_prob(x))


def test_bayes_identity_of_the_mixture():
    model, x = mixture()
    z = torch.eye(4)[:, None].expand(4, len(x), 4)
    evidence = log_joint(model, {"z": z}, x) - model.posterior(x)["z"].log_prob(z)
    close(evidence, model.log_evidence(x).expand(4, -1))


def test_moments_of_the_mixture():
    model, x = mixture()
    mean, sd = model.posterior_moments(x)["z"]
    exact = model.posterior(x)["z"]
    close(mean, exact.mean)
    close(sd, exact.variance.sqrt())


@pytest.mark.parametrize(("length", "states"), [(1, 2), (2, 3), (6, 3)])
def test_the_forward_algorithm_sums_over_all_paths(length, states):
    model, x = chain(length, states)
    joint = log_joint(model, paths(length, states)[1], x)
    assert joint.shape == (states**length, len(x))
    close(model.log_evidence(x), joint.logsumexp(0))


def test_the_forward_algorithm_is_pyros():
    """Pyro's chain moves before it is first seen, so ours starts where one move leads."""
    model, x = chain()
    start = torch.randn(3).log_softmax(-1)
    moves = model.transition_logits.log_softmax(-1)
    with torch.no_grad():
        model.initial_logits.copy_((start[:, None] + moves).logsumexp(0))
    outcome = dist.Normal(model.means, model.log_scales.exp())
    theirs = dist.DiscreteHMM(start, moves, outcome, duration=6)
    close(model.log_evidence(x), theirs.log_prob(x))


def test_bayes_identity_of_the_chain():
    """log p(z | x) = sum_t log p(z_t | z_(t-1), x), each term from the backward pass alone."""
    model, x = chain()
    index, values = paths(6, 3)
    ahead = model.log_likelihood(x) + model.backward_messages(x)
    log_q = (model.initial_logits + ahead[:, 0]).log_softmax(-1)[:, index[:, 0]].mT
    for t in range(1, 6):
        moves = (model.transition_logits.log_softmax(-1) + ahead[:, t, None]).log_softmax(-1)
        log_q = log_q + moves[:, index[:, t - 1], index[:, t]].mT
    evidence = log_joint(model, values, x) - log_q
    close(evidence, model.log_evidence(x).expand(len(index), -1))


def test_moments_of_the_chain():
    model, x = chain()
    _, values = paths(6, 3)
    chance = log_joint(model, values, x).softmax(0)
    for site, (mean, sd) in model.posterior_moments(x).items():
        expected = torch.einsum("pr,pk->rk", chance, values[site][:, 0])
        close(mean, expected)
        close(sd, (expected * (1 - expected)).sqrt())


def test_every_time_has_the_same_evidence():
    model, x = chain()
    total = (model.forward_messages(x) + model.backward_messages(x)).logsumexp(-1)
    close(total, model.log_evidence(x)[:, None].expand(-1, 6))


@pytest.mark.parametrize("make", [mixture, chain])
def test_the_harness_sums_to_the_same_evidence(make):
    """The objective that enumerates, with no guide at all, is the exact log evidence."""
    model, x = make()
    program = build(model, Empty, OBJECTIVES["enumerate"], (x,))
    close(-program(torch.zeros(()), None, x), model.log_evidence(x).sum())


@pytest.mark.parametrize("make", [mixture, chain])
def test_relaxed_values_have_a_density(make):
    """The joint is smooth in z between the vertices, and its gradient is finite."""
    model, x = make()
    sites = [f"z_{t}" for t in range(6)] if make is chain else ["z"]
    width = 3 if make is chain else 4
    values = {site: torch.rand(len(x), width).softmax(-1).requires_grad_() for site in sites}
    gradients = torch.autograd.grad(log_joint(model, values, x).sum(), list(values.values()))
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)


def test_the_spread_of_a_sure_label_is_not_zero():
    mean, sd = one_hot_moments(torch.tensor([0.0, -60.0], dtype=torch.float32))
    assert mean[0] == 1
    assert (sd > 0).all()
    assert sd[0] == sd[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianMixture(2, 1), "components >= 2; got 1"),
        (lambda: HiddenMarkov(0), "length=0, states=3"),
        (lambda: HiddenMarkov(4, 1), "length=4, states=1"),
    ],
)
def test_senseless_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_data_of_another_width_are_refused():
    for model, width in ((mixture()[0], 2), (chain()[0], 5)):
        with pytest.raises(ValueError, match="Expected x of shape"):
            model(torch.zeros(3, width))
