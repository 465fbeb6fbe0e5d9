"""Latent permutations: the exact posterior, and guides that are held against it."""

import math
from functools import partial
from itertools import permutations

import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, IDENTITY, built, scatter, step_of
from joint import close, log_joint
from pyro import poutine

import zoo
from guides import (
    GUIDES,
    AmortisedMallows,
    AmortisedMatching,
    AmortisedPlackettLuce,
    Empty,
    GumbelSinkhorn,
)
from guides.amortised_mallows import insertion_scores
from guides.parts.plates import positive
from zoo.data import lost_labels
from zoo.isolation import isolated
from zoo.latents.enumeration import joint_states
from zoo.metrics.means import mean_error
from zoo.models.discrete.latent_permutation import LatentPermutation
from zoo.objectives import OBJECTIVES, Enumerate, MeanFieldKL, Trace
from zoo.permutations import Mallows, RepeatedInsertion, as_matrix, every_permutation
from zoo.program import build

STEPS, ENOUGH = 2000, 0.05  # nats a row


def made(items=4, rows=3, **settings):
    model = LatentPermutation(items, **settings)
    scatter(model, 0.5)
    return model, 2 * torch.randn(rows, items)


@torch.no_grad()
@pytest.mark.parametrize("concentration", [0.0, 0.8])
def test_the_evidence_is_a_sum_over_orders(concentration):
    model, x = made(4, concentration=concentration)
    terms = []
    for order in permutations(range(4)):
        pairs = [(i, k) for i in range(4) for k in range(i)]
        distance = sum(order[i] < order[k] for i, k in pairs)
        noise = dist.Normal(model.means, model.scale)
        terms.append(noise.log_prob(x[:, order]).sum(-1) - concentration * distance)
    shares = [(1 - math.exp(-j * 0.8)) / (1 - math.exp(-0.8)) for j in range(1, 5)]
    normaliser = math.prod(shares) if concentration else math.factorial(4)
    close(model.log_evidence(x), torch.stack(terms).logsumexp(0) - math.log(normaliser))


@torch.no_grad()
@pytest.mark.parametrize("concentration", [0.0, 0.8])
def test_bayes_identity(concentration):
    model, x = made(3, concentration=concentration)
    every = every_permutation(3)[:, None].expand(6, len(x), 3)
    evidence = log_joint(model, {"pi": every}, x) - model.posterior(x)["pi"].log_prob(every)
    close(evidence, model.log_evidence(x).expand(6, -1))


@torch.no_grad()
def test_the_harness_sums_to_the_same_evidence():
    model, x = made(5)
    program = build(model, Empty, OBJECTIVES["enumerate"], (x,))
    close(-program(torch.zeros(()), None, x), model.log_evidence(x).sum())
    states = joint_states(program.latents.sites, program.latents)["pi"]
    assert torch.equal(states[:, 0], every_permutation(5))


def test_a_matrix_takes_the_place_of_a_permutation():
    model, _ = made(4)
    every = every_permutation(4)
    close(model.decode(as_matrix(every)), model.decode(every))
    order = every.argsort(-1)
    close(model.decode(every), model.means[order])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: LatentPermutation(1), "items .*at least 2.*got 1"),
        (lambda: LatentPermutation(3, concentration=-1.0), "concentration.*got -1.0"),
        (lambda: LatentPermutation(7).log_evidence(torch.zeros(2, 7)), "got 7, which have 7!"),
        (lambda: LatentPermutation(3)(torch.zeros(2, 4)), "Expected x of shape"),
    ],
)
def test_what_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize("family", [AmortisedPlackettLuce, AmortisedMatching, AmortisedMallows])
def test_the_sum_is_the_elbo_of_the_guide(family):
    model, x = made(4)
    with built(model, family, Enumerate(), (x,)) as program, torch.no_grad():
        q = poutine.trace(program.guide).get_trace(x).nodes["pi"]["fn"]
        every = every_permutation(4)[:, None].expand(-1, len(x), 4)
        log_q, log_p = q.log_prob(every), log_joint(program.model, {"pi": every}, x)
        close(-program(torch.zeros(()), None, x), (log_q.exp() * (log_p - log_q)).sum())


def test_mallows_about_an_order_of_its_own_is_its_formula():
    """log q against the distance and the normaliser of its definition, order by order."""
    numbers = torch.randn(4, 2)
    theta, m = positive(numbers[:, 0]).tolist(), numbers[:, 1].sigmoid().tolist()
    q = RepeatedInsertion(insertion_scores(numbers))
    for pi in every_permutation(4):
        expected, item = 0.0, [pi.tolist().index(place) for place in range(4)]
        for j in range(1, 4):
            late, centre = sum(int(item[i] > item[j]) for i in range(j)), j * m[j]
            weights = [math.exp(-theta[j] * abs(k - centre)) for k in range(j + 1)]
            expected += math.log(weights[late] / sum(weights))
        assert q.log_prob(pi).item() == pytest.approx(expected, rel=IDENTITY)


@torch.no_grad()
def test_a_matching_holds_the_exact_posterior():
    """Scores log N(x_j; mu_i, s^2): the guide is the posterior, its bound the evidence."""
    model, x = made(5)
    with isolated(seed=0):
        program = build(model, AmortisedMatching, Trace(), (x,))
        scores = dist.Normal(model.means[:, None], model.scale).log_prob(x[:, None])
        program.guide.encoder.forward = lambda args: [scores.reshape(len(x), -1)]
        (traces,) = program.pair.draw(7, (x,), {})
    log_w = traces.model.log_prob_sum() - traces.guide.log_prob_sum()
    assert log_w.item() == pytest.approx(7 * model.log_evidence(x).sum().item(), rel=IDENTITY)


def test_a_relaxed_draw_has_the_density_of_its_noise():
    model, x = made(3)
    with built(model, GumbelSinkhorn, Trace(), (x,)) as program:
        (traces,) = program.pair.draw(1, (x,), {})
        noisy, prior = traces.guide.nodes["pi"], traces.model.nodes["pi"]
        scores = noisy["fn"].base_dist.loc
        assert noisy["value"].shape == (len(x), 3, 3)
        assert torch.equal(noisy["value"], prior["value"])
        close(noisy["log_prob"], dist.Gumbel(scores, 1.0).log_prob(noisy["value"]).sum((1, 2)))
        close(prior["log_prob"], dist.Gumbel(0.0, 1.0).log_prob(noisy["value"]).sum((1, 2)))
        seen = traces.model.nodes["x"]["fn"].base_dist.loc
        close(seen, program.model.decode(program.guide.relax(noisy["value"])))


def test_the_objective_mean_field_takes_the_kl_of_the_permutations():
    model, x = made(3)
    with built(model, GumbelSinkhorn, MeanFieldKL(), (x,)) as program:
        with isolated(seed=4):
            loss = program(torch.zeros(()), None, x)
        with isolated(seed=4):
            (traces,) = program.pair.draw(1, (x,), {})
        exact = traces.guide.nodes["pi"]["infer"]["discrete"].table()
        kl = (exact.exp() * (exact + math.log(6))).sum()
        close(loss, kl - traces.model.nodes["x"]["log_prob"].sum())


def test_straight_through_shows_permutations_and_has_gradients():
    model, x = made(4)
    family = GUIDES["sinkhorn_straight_through"]
    with built(model, family, Trace(), (x,)) as program:
        (traces,) = program.pair.draw(1, (x,), {})
        seen = program.guide.relax(traces.guide.nodes["pi"]["value"])
        close(seen, seen.round())
        _, grads = step_of(program, (x,))
        assert all(grad.abs().max() > 0 for grad in grads.values())


@torch.no_grad()
def test_in_eval_mode_relaxed_guides_draw_permutations():
    model, x = made(4)
    with built(model, GumbelSinkhorn, Trace(), (x,)) as program:
        program.eval()
        (traces,) = program.pair.draw(1, (x,), {})
        pi = traces.guide.nodes["pi"]
        assert torch.equal(pi["value"].sort(-1).values, torch.arange(4).expand(3, 4))
        close(pi["fn"].table().logsumexp(0), torch.zeros(3))
        close(traces.model.nodes["pi"]["log_prob"], torch.full((3,), -math.log(24)))


def test_only_a_uniform_prior_is_relaxed():
    model, x = made(3, concentration=0.5)
    assert isinstance(model.prior(), Mallows)
    with pytest.raises(ValueError, match="relaxes a uniform prior; that of 'pi' is Mallows"):
        zoo.fit(model, GumbelSinkhorn, x, steps=1)


def test_means_are_of_matrices():
    model, x = made(3, rows=5)
    fit = zoo.fit(model, AmortisedMatching, x, objective="rloo", steps=2, compile=False)
    codes = fit.encode(draws=400)
    assert codes.mean["pi"].shape == (5, 3, 3)
    close(codes.mean["pi"].sum(-1), torch.ones(5, 3))
    found = zoo.evaluate(
        fit,
        metrics=["posterior_mean_error", "posterior_sd_error", "mean_error_bound", "mmd", "kl"],
        split="train",
    )
    assert found["posterior_mean_error"].unit == "probability"
    assert "permutations; distances need numbers" in str(found.skipped)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("guide", ["amortised_matching", "amortised_plackett_luce"])
def test_the_posterior_of_a_sorting_task_is_recovered(guide, seed):
    task = zoo.load("latent_permutation", seed=seed)
    fit = zoo.fit(task, GUIDES[guide], objective="rloo", steps=STEPS, lr=1e-2, seed=seed)
    (x,) = task.split("test")
    with torch.no_grad(), isolated(seed=0):
        q = poutine.trace(partial(fit.guide.eval(), x)).get_trace().nodes["pi"]["fn"]
        p = fit.model.posterior(x)["pi"]
        assert torch.distributions.kl_divergence(q, p).mean() < ENOUGH


@pytest.mark.thorough
def test_mallows_learns_the_items_that_plackett_luce_learns():
    """Evidence of test rows, row by row beside that under the items that made them."""
    task = zoo.load("latent_permutation")
    fit = zoo.fit(task, AmortisedMallows, objective="rloo", steps=500, seed=0, progress=False)
    (x,) = task.split("test")
    truth = LatentPermutation(len(lost_labels.MEANS))
    with torch.no_grad():
        truth.means.copy_(torch.tensor(lost_labels.MEANS))
        truth.log_scale.fill_(math.log(lost_labels.SCALE))
        less = truth.log_evidence(x) - fit.model.log_evidence(x)
        alike = truth.log_evidence(x) - dist.Normal(x.mean(), x.std()).log_prob(x).sum(-1)
    assert less.mean() < ERRORS * mean_error(less)
    assert alike.mean() > ERRORS * mean_error(alike)
