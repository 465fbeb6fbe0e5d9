"""The discrete-latent models against brute-force enumeration."""

import itertools
import math

import pytest
import torch
from joint import close
from pyro import poutine
from torch.nn.functional import one_hot

from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.categorical_vae import CategoricalVAE
from zoo.models.exact_sums import blocks, states

IDENTITY = 1e-8
ROWS = 5


def bernoulli(latent=3):
    """A model, all its states, and data."""
    torch.manual_seed(0)
    model = BernoulliLatent(4, hidden=(6,), latent=latent)
    with torch.no_grad():
        model.prior_logits.copy_(torch.randn(latent))
        for weight in model.decoder.parameters():
            weight.mul_(3)
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=latent)))
    return model, every, torch.bernoulli(torch.full((ROWS, 4), 0.5))


def categorical(variables=2, classes=3):
    """A model, all its states, and data."""
    torch.manual_seed(0)
    model = CategoricalVAE(4, variables, classes, hidden=(6,))
    with torch.no_grad():
        for weight in model.decoder.parameters():
            weight.mul_(3)
    every = torch.tensor(list(itertools.product(range(classes), repeat=variables)))
    every = one_hot(every, classes).to(torch.get_default_dtype())
    return model, every, torch.bernoulli(torch.full((ROWS, 4), 0.5))


@pytest.fixture(params=[bernoulli, categorical])
def case(request):
    return request.param()


def log_joint(model, x, z):
    trace = poutine.trace(poutine.condition(model, data={"z": z})).get_trace(x)
    trace.compute_log_prob()
    return trace.nodes["z"]["log_prob"] + trace.nodes["x"]["log_prob"]


def all_states(model, every, x):
    """Log joint of every state and row by the model itself, (states, rows)."""
    return log_joint(model, x, every[:, None].expand(-1, len(x), *every.shape[1:]))


def prior_probability(model, z):
    if isinstance(model, CategoricalVAE):
        return model.classes**-model.variables
    beta = torch.sigmoid(model.prior_logits)
    return math.prod(b.item() if on else 1 - b.item() for b, on in zip(beta, z, strict=True))


def test_evidence_equals_a_loop_over_probabilities(case):
    model, every, x = case
    for row, evidence in zip(x, model.log_evidence(x), strict=True):
        total = 0.0
        for z in every:
            pixels = zip(model.mean(z), row, strict=True)
            likelihood = math.prod(p.item() if on else 1 - p.item() for p, on in pixels)
            total += prior_probability(model, z) * likelihood
        assert math.isclose(evidence.item(), math.log(total), rel_tol=IDENTITY)


def test_probabilities_of_all_data_sum_to_one(case):
    model, _, _ = case
    total = model.log_evidence(states(4)).logsumexp(0)
    close(total, torch.zeros(()))


@pytest.mark.parametrize(("make", "sizes"), [(bernoulli, (11,)), (categorical, (7, 3))])
def test_several_blocks_equal_one_sum_over_the_model(make, sizes):
    model, every, x = make(*sizes)
    assert len(every) > 2000
    close(model.log_evidence(x), all_states(model, every, x).logsumexp(0))


def test_gradient_of_the_streamed_sum(case):
    model, every, x = case
    parameters = list(model.parameters())
    streamed = torch.autograd.grad(model.log_evidence(x).sum(), parameters)
    whole = torch.autograd.grad(all_states(model, every, x).logsumexp(0).sum(), parameters)
    for ours, theirs in zip(streamed, whole, strict=True):
        assert theirs.any()
        close(ours, theirs)


@pytest.mark.parametrize("latent", [3, 11])
def test_posterior_moments_equal_weighted_states(latent):
    model, every, x = bernoulli(latent)
    weights = all_states(model, every, x).softmax(0)
    expected = torch.einsum("sr,sk->rk", weights, every)
    mean, sd = model.posterior_moments(x)["z"]
    close(mean, expected)
    close(sd.square(), torch.einsum("sr,sk->rk", weights, every.square()) - expected.square())


def test_nearly_certain_latents_have_a_finite_spread():
    model, _, _ = bernoulli()
    # Here rounding takes the summed mean just above one, and a variance just below zero.
    torch.nn.init.constant_(model.prior_logits, 36.0)
    mean, sd = model.posterior_moments(states(4))["z"]
    close(mean, torch.ones(16, 3))
    close(sd.square(), torch.zeros(16, 3))


def test_particles_broadcast(case):
    model, every, x = case
    z = every[torch.randint(len(every), (2, 3, ROWS))]
    loop = [log_joint(model, x, one) for one in z.flatten(0, 1)]
    close(log_joint(model, x, z), torch.stack(loop).reshape(2, 3, ROWS))
    assert model.mean(z).shape == (2, 3, ROWS, 4)


def test_mean_is_the_mean_of_the_observed_site(case):
    model, every, x = case
    z = every[:ROWS]
    trace = poutine.trace(poutine.condition(model, data={"z": z})).get_trace(x)
    close(model.mean(z), trace.nodes["x"]["fn"].mean)


def test_sites_and_plate(case):
    model, every, x = case
    trace = poutine.trace(model).get_trace(x)
    assert trace.nodes["z"]["fn"].event_shape == every.shape[1:]
    for site in ("z", "x"):
        (frame,) = trace.nodes[site]["cond_indep_stack"]
        assert (frame.name, frame.size, frame.dim) == ("data", ROWS, -1)


def test_relaxed_latents_are_accepted_and_agree_at_the_vertices(case):
    model, every, x = case
    vertex = every[:ROWS]
    inside = (0.7 * vertex + 0.3 * vertex.flip(-1)).requires_grad_()
    (slope,) = torch.autograd.grad(log_joint(model, x, inside).sum(), inside)
    assert slope.isfinite().all()
    assert slope.any()
    nearly = (1 - 1e-12) * vertex + 1e-12 * vertex.flip(-1)
    close(log_joint(model, x, nearly), log_joint(model, x, vertex))


def test_relaxed_prior_of_categories_is_constant():
    model, _, x = categorical()
    z = torch.softmax(torch.randn(ROWS, 2, 3), -1)
    trace = poutine.trace(poutine.condition(model, data={"z": z})).get_trace(x)
    trace.compute_log_prob()
    close(trace.nodes["z"]["log_prob"], torch.full((ROWS,), -2 * math.log(3)))


def test_states_count_upwards():
    close(states(2), torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
    expected = torch.tensor(list(itertools.product(range(3), repeat=7)))
    assert torch.equal(torch.cat(list(blocks(7, 3))), expected)


def test_too_many_states_are_refused():
    x = torch.zeros(1, 4)
    assert next(blocks(20, 2)).shape == (1024, 20)
    with pytest.raises(ValueError, match=r"at most 1048576 .* got 2\*\*21 = 2097152"):
        states(21)
    with pytest.raises(ValueError, match=r"2\*\*21"):
        BernoulliLatent(4, latent=21).log_evidence(x)
    with pytest.raises(ValueError, match=r"2\*\*21"):
        BernoulliLatent(4, latent=21).posterior_moments(x)
    with pytest.raises(ValueError, match=r"8\*\*10"):
        CategoricalVAE(4).log_evidence(x)


def test_wrong_width_is_refused(case):
    model, _, x = case
    with pytest.raises(ValueError, match=r"Expected x of shape \(5, 4\); got \(5, 1\)"):
        model(x[:, :1])
