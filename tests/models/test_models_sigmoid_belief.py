"""The sigmoid belief network against brute-force enumeration."""

import itertools
import math

import pytest
import torch
from joint import close
from pyro import poutine

import zoo
from guides import GUIDES
from zoo.models import MODELS
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.models.exact_sums import states
from zoo.protocols import HasEvidence, HasMoments, HasPosterior

IDENTITY = 1e-8
ROWS = 5
LAYERS = {"one": (3,), "two": (3, 2), "three": (1, 2, 2)}


def network(layers, hidden=(), *, learned_prior=True):
    """A model with large weights, all its joint states as (top, ..), and data."""
    torch.manual_seed(0)
    model = SigmoidBeliefNet(4, layers, hidden, learned_prior=learned_prior)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(1.5 * torch.randn_like(parameter))
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=sum(layers))))
    return model, every.split(layers, -1), torch.bernoulli(torch.full((ROWS, 4), 0.5))


@pytest.fixture(params=[(layers, hidden) for layers in LAYERS for hidden in ((), (6, 5))], ids=str)
def case(request):
    layers, hidden = request.param
    return network(LAYERS[layers], hidden)


def log_joint(model, x, state):
    """log p(x, z) by the model itself, (..., rows)."""
    values = dict(zip(model.names, state, strict=True))
    trace = poutine.trace(poutine.condition(model, data=values)).get_trace(x)
    trace.compute_log_prob()
    return sum(trace.nodes[name]["log_prob"] for name in (*model.names, "x"))


def all_states(model, every, x):
    wide = [part[:, None].expand(-1, len(x), -1) for part in every]
    return log_joint(model, x, wide)


def chance(logits, on):
    p = (1 / (1 + math.exp(-logit)) for logit in logits.tolist())
    return math.prod(q if bit else 1 - q for q, bit in zip(p, on.tolist(), strict=True))


def test_evidence_equals_a_loop_over_probabilities(case):
    model, every, x = case
    for row, evidence in zip(x, model.log_evidence(x), strict=True):
        total = 0.0
        for state in zip(*every, strict=True):
            product = chance(model.prior_logits, state[0])
            for net, above, below in zip(model.networks, state, (*state[1:], row), strict=True):
                product *= chance(net(above), below)
            total += product
        assert math.isclose(evidence.item(), math.log(total), rel_tol=IDENTITY)


def test_bayes_identity(case):
    """log p(x, z) - log p(z | x) is the evidence for every z."""
    model, every, x = case
    joint = all_states(model, every, x)
    posterior = joint.log_softmax(0)
    close(joint - posterior, model.log_evidence(x).expand_as(joint))


def test_probabilities_of_all_data_sum_to_one(case):
    model, _, _ = case
    close(model.log_evidence(states(4)).logsumexp(0), torch.zeros(()))


def test_posterior_moments_equal_weighted_states(case):
    model, every, x = case
    weights = all_states(model, every, x).softmax(0)
    moments = model.posterior_moments(x)
    assert tuple(moments) == model.names
    for part, (mean, sd) in zip(every, moments.values(), strict=True):
        expected = torch.einsum("sr,sk->rk", weights, part)
        close(mean, expected)
        close(sd.square(), expected - expected.square())


def test_several_blocks_equal_one_sum_over_the_model():
    model, every, x = network((6, 5))
    assert len(every[0]) == 2048
    close(model.log_evidence(x), all_states(model, every, x).logsumexp(0))
    mean = model.posterior_moments(x)["z2"][0]
    weights = all_states(model, every, x).softmax(0)
    close(mean, torch.einsum("sr,sk->rk", weights, every[0]))


def test_gradient_of_the_streamed_sum(case):
    model, every, x = case
    parameters = list(model.parameters())
    streamed = torch.autograd.grad(model.log_evidence(x).sum(), parameters)
    whole = torch.autograd.grad(all_states(model, every, x).logsumexp(0).sum(), parameters)
    for ours, theirs in zip(streamed, whole, strict=True):
        assert theirs.any()
        close(ours, theirs)


def test_particles_broadcast(case):
    model, every, x = case
    picked = torch.randint(len(every[0]), (2, 3, ROWS))
    state = [part[picked] for part in every]
    loop = [log_joint(model, x, [p[i, j] for p in state]) for i in range(2) for j in range(3)]
    close(log_joint(model, x, state), torch.stack(loop).reshape(2, 3, ROWS))


def test_sites_are_drawn_from_the_top_down(case):
    model, every, x = case
    trace = poutine.trace(model).get_trace(x)
    sites = [name for name in trace.nodes if trace.nodes[name]["type"] == "sample"]
    assert [name for name in sites if name != "data"] == [*model.names, "x"]
    for name, part in zip(model.names, every, strict=True):
        assert trace.nodes[name]["fn"].event_shape == part.shape[1:]
        (frame,) = trace.nodes[name]["cond_indep_stack"]
        assert (frame.name, frame.size, frame.dim) == ("data", ROWS, -1)


def test_names_count_from_the_data_up():
    assert SigmoidBeliefNet(4, (5, 6, 7)).names == ("z3", "z2", "z1")
    latents = zoo.describe(SigmoidBeliefNet(4, (5, 6, 7)), torch.ones(2, 4))
    assert {site.name: tuple(site.event_shape) for site in latents.sites} == {
        "z3": (5,),
        "z2": (6,),
        "z1": (7,),
    }


def test_a_fixed_prior_is_a_fair_coin_and_no_parameter():
    fixed = SigmoidBeliefNet(4, (3,))
    learned = SigmoidBeliefNet(4, (3,), learned_prior=True)
    names = {name for name, _ in fixed.named_parameters()}
    assert {name for name, _ in learned.named_parameters()} - names == {"prior_logits"}
    assert not fixed.prior_logits.any()
    trace = poutine.trace(fixed).get_trace(torch.ones(2, 4))
    close(trace.nodes["z1"]["fn"].base_dist.probs, torch.full((2, 3), 0.5))


def test_the_linear_network_is_affine_and_the_other_is_leaky():
    linear, deep = SigmoidBeliefNet(4, (3, 2)), SigmoidBeliefNet(4, (3, 2), (6, 5))
    kinds = [[type(part) for part in net] for net in linear.networks]
    assert kinds == [[torch.nn.Linear]] * 2
    (first, second) = deep.networks
    assert [part.out_features for part in first[::2]] == [6, 5, 2]
    assert [part.out_features for part in second[::2]] == [6, 5, 4]
    assert {type(part) for part in second[1::2]} == {torch.nn.LeakyReLU}


def test_relaxed_latents_are_accepted_and_agree_at_the_vertices(case):
    model, every, x = case
    vertex = [part[:ROWS] if len(part) >= ROWS else part for part in every]
    inside = [(0.7 * part + 0.15).requires_grad_() for part in vertex]
    slopes = torch.autograd.grad(log_joint(model, x, inside).sum(), inside)
    assert all(slope.isfinite().all() and slope.any() for slope in slopes)
    nearly = [(1 - 1e-12) * part + 1e-12 * (1 - part) for part in vertex]
    close(log_joint(model, x, nearly), log_joint(model, x, vertex))


def test_what_is_refused():
    x = torch.ones(2, 4)
    for layers in ((), (3, 0)):
        with pytest.raises(ValueError, match="layers of at least one unit each; got"):
            SigmoidBeliefNet(4, layers)
    with pytest.raises(ValueError, match=r"Expected x of shape \(2, 4\); got \(2, 1\)"):
        SigmoidBeliefNet(4, (3,))(x[:, :1])
    for truth in (SigmoidBeliefNet(4, (11, 10)).log_evidence, SigmoidBeliefNet(4).log_evidence):
        with pytest.raises(ValueError, match=r"at most 1048576 states"):
            truth(x)
    with pytest.raises(ValueError, match=r"2\*\*21"):
        SigmoidBeliefNet(4, (11, 10)).posterior_moments(x)


def test_claims():
    truths = (HasEvidence, HasMoments, HasPosterior)
    found = [isinstance(SigmoidBeliefNet(4), truth) for truth in truths]
    assert found == [True, True, False]


def test_the_recipe_knows_its_evidence():
    recipe, task = MODELS["sigmoid_belief"], zoo.load("sigmoid_belief")
    guide = GUIDES[recipe.guide]
    fitted = zoo.fit(task, guide, objective=recipe.objective, steps=2, device="cpu")
    metrics = zoo.evaluate(fitted, draws=20, metrics=("elbo", "exact_log_evidence", "gap"))
    assert not metrics.skipped
    assert metrics["gap"].value > 0
