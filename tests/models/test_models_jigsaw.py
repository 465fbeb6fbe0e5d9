"""The jigsaw: its density and posterior order by order, and guides that solve it."""

from functools import partial
from itertools import permutations

import pytest
import torch
from joint import close, log_joint
from pyro import poutine
from torch.distributions import kl_divergence

import zoo
from benchmarks.estimators.jigsaw import Tiles
from guides import AmortisedMatching
from zoo.isolation import isolated
from zoo.models.discrete.jigsaw import Jigsaw, fitted
from zoo.permutations import UniformPermutation, as_matrix, every_permutation


def made(items=3, rows=4, pixels=2, prototypes=3):
    bits = torch.bernoulli(torch.full((20 + rows, items, pixels), 0.4))
    return Jigsaw(bits[:20], prototypes), bits[20:]


def test_the_evidence_is_a_sum_over_orders_and_prototypes():
    model, x = made()
    terms = []
    for order in permutations(range(3)):
        for weight, p in zip(model.log_weights.exp(), model.chances, strict=True):
            picture = x[:, list(order)]
            terms.append(weight / 6 * torch.where(picture > 0, p, 1 - p).prod(-1).prod(-1))
    close(model.log_evidence(x), sum(terms).log())


def test_bayes_identity():
    model, x = made()
    every = every_permutation(3)[:, None].expand(6, len(x), 3)
    evidence = log_joint(model, {"pi": every}, x) - model.posterior(x)["pi"].log_prob(every)
    close(evidence, model.log_evidence(x).expand(6, -1))


def test_a_matrix_takes_the_place_of_a_permutation():
    model, _ = made()
    every = every_permutation(3)
    close(model.decode(as_matrix(every)), model.decode(every))
    close(model.decode(every)[:, 1], model.chances[1][every.argsort(-1)])


def test_another_order_of_the_row_is_another_name_of_its_places():
    """What shuffles the row shuffles its posterior, and leaves its evidence as it is."""
    model, x = made()
    again = torch.tensor([2, 0, 1])
    close(model.log_evidence(x[:, again]), model.log_evidence(x))
    every = every_permutation(3)[:, None]
    moved = again.argsort()[every]  # the place of what lay in each place
    one, two = model.posterior(x)["pi"], model.posterior(x[:, again])["pi"]
    close(two.log_prob(moved), one.log_prob(every))


def test_shuffled_pictures_do_not_tell_where_a_tile_belongs():
    """Prototypes whose tiles are renamed give every row the same probability."""
    model, x = made()
    renamed, _ = made()
    renamed.log_weights.copy_(model.log_weights)
    renamed.chances.copy_(model.chances[:, [1, 2, 0]])
    close(renamed.log_evidence(x), model.log_evidence(x))
    assert (renamed.posterior(x)["pi"].logits - model.posterior(x)["pi"].logits).abs().max() > 0.1


def test_em_never_lowers_what_it_climbs():
    """The log-likelihood with its half pictures of ones and zeros, and a row for each weight."""
    pictures, found = torch.bernoulli(torch.full((40, 6), 0.4)), []
    for steps in (1, 2, 4, 8):
        weights, p = fitted(pictures, 3, steps)
        rows = (pictures @ p.log().mT + (1 - pictures) @ (1 - p).log().mT + weights.log()).exp()
        prior = (p * (1 - p)).log().sum() / 2 + weights.log().sum()
        found.append((rows.sum(-1).log().sum() + prior).item())
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Jigsaw(torch.zeros(9, 64)),
            r"\(pictures, at least 2 tiles, pixels\); got \(9, 64",
        ),
        (lambda: Jigsaw(torch.zeros(9, 4, 4)), "pictures, 9; got 30"),
        (lambda: Jigsaw(torch.zeros(9, 4, 4), 0), "prototypes .*above 0; got 0"),
        (lambda: made()[0](torch.zeros(2, 4, 2)), "Expected x of shape"),
        (lambda: zoo.load("jigsaw", data="digits").build(), "digits_jigsaw.*got 'digits'"),
        (lambda: made(7)[0].log_evidence(torch.zeros(2, 7, 2)), "got 7, which have 7!"),
    ],
)
def test_what_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.thorough
def test_a_matching_comes_near_the_posterior():
    """Nine tenths of the uniform distribution's KL are gone in 300 steps."""
    task = zoo.load("jigsaw")
    with isolated(seed=0):
        family = partial(AmortisedMatching, body=Tiles(task.data.features))
    fit = zoo.fit(task, family, objective="rloo", steps=300, lr=3e-3, seed=0, compile=False)
    (x,) = task.split("test")
    with torch.no_grad(), isolated(seed=0):
        q = poutine.trace(fit.guide.eval()).get_trace(x).nodes["pi"]["fn"]
        p = fit.model.posterior(x)["pi"]
        chance = UniformPermutation(4, x, (len(x),))
        assert kl_divergence(q, p).mean() < kl_divergence(chance, p).mean() / 10
