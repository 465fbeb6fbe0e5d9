"""Distributions over permutations against sums over all of them, and against their definitions."""

import math
from itertools import permutations

import pytest
import torch
from cases import ERRORS, IDENTITY
from joint import close
from torch.distributions import kl_divergence

from zoo.permutations import (
    EachPermutation,
    Mallows,
    PlackettLuce,
    RepeatedInsertion,
    UniformPermutation,
    as_matrix,
    best_matching,
    every_permutation,
    matching,
    permutation,
    sinkhorn,
)
from zoo.permutations.insertion import inserted, overtaken
from zoo.permutations.mallows import kendall
from zoo.permutations.support import number_of

DRAWS = 20_000


def distributions(items):
    """Each with a batch of two rows."""
    centre = torch.stack([torch.randperm(items) for _ in range(2)])
    return {
        "uniform": UniformPermutation(items, torch.ones(()), (2,)),
        "plackett_luce": PlackettLuce(torch.randn(2, items)),
        "mallows": Mallows(centre, torch.tensor([0.0, 0.7])),
        "insertion": RepeatedInsertion(torch.randn(2, items, items)),
        "matching": matching(torch.randn(2, items, items)),
        "each": EachPermutation(torch.randn(2, math.factorial(items)), items),
    }


NAMES = list(distributions(2))


@pytest.mark.parametrize("items", [1, 2, 3, 4, 5, 6])
def test_all_are_there_once_and_in_order(items):
    every = every_permutation(items)
    assert [tuple(row) for row in every.tolist()] == list(permutations(range(items)))
    assert torch.equal(number_of(every), torch.arange(len(every)))
    assert permutation.check(every).all()


def test_what_is_no_permutation():
    values = torch.tensor([[0, 0, 2], [1, 2, 3], [2, 0, 1], [-1, 0, 1]])
    assert permutation.check(values).tolist() == [False, False, True, False]


def test_seven_items_are_too_many():
    with pytest.raises(ValueError, match=r"at most 6 items.*got 7, which have 7! = 5040"):
        every_permutation(7)
    with pytest.raises(ValueError, match=r"got 20, which have 20! = about 10\^18"):
        every_permutation(20)


@pytest.mark.parametrize("items", [2, 3, 6])
@pytest.mark.parametrize("name", NAMES)
def test_probabilities_sum_to_one(name, items):
    table = distributions(items)[name].table()
    assert table.shape == (math.factorial(items), 2)
    close(table.logsumexp(0), torch.zeros(2))


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_their_probabilities(name):
    q = distributions(3)[name]
    drawn = q.sample((DRAWS,))
    assert drawn.shape == (DRAWS, 2, 3)
    counts = (number_of(drawn) == torch.arange(6)[:, None, None]).double().mean(1)
    chance = q.table().exp()
    error = (chance * (1 - chance) / DRAWS).sqrt()
    assert ((counts - chance).abs() < ERRORS * error).all()


@pytest.mark.parametrize("name", NAMES)
def test_marginals_are_doubly_stochastic(name):
    q = distributions(4)[name]
    found = q.marginals()
    every = as_matrix(every_permutation(4))
    close(found, (q.table().exp()[..., None, None] * every[:, None]).sum(0))
    for dim in (-1, -2):
        close(found.sum(dim), torch.ones(2, 4))


@pytest.mark.parametrize("name", NAMES)
def test_another_batch_shape(name):
    q = distributions(3)[name]
    wide = q.expand((5, 2))
    value = wide.sample()
    assert value.shape == (5, 2, 3)
    close(wide.log_prob(value), q.log_prob(value))
    assert q.enumerate_support().shape == (6, 2, 3)
    assert q.enumerate_support(expand=False).shape == (6, 1, 3)


def test_plackett_luce_is_a_race():
    scores = torch.randn(4)
    left, expected, pi = scores.exp().tolist(), 1.0, [2, 0, 3, 1]
    for i, place in enumerate(pi):
        expected *= left[place] / sum(left[k] for k in pi[i:])
    found = PlackettLuce(scores).log_prob(torch.tensor(pi))
    assert found.item() == pytest.approx(math.log(expected), rel=IDENTITY)


def test_mallows_counts_pairs_out_of_order():
    q = Mallows(torch.tensor([2, 0, 1, 3]), torch.tensor(0.4))
    for pi in every_permutation(4):
        pairs = [(i, k) for i in range(4) for k in range(i)]
        centre = q.centre
        distance = sum(int((pi[i] < pi[k]) != (centre[i] < centre[k])) for i, k in pairs)
        assert kendall(pi, centre) == distance
        ratio = q.log_prob(pi) - q.log_prob(centre)
        assert ratio.item() == pytest.approx(-0.4 * distance, abs=IDENTITY)


def test_insertion_with_scores_that_fall_evenly_is_mallows_about_the_identity():
    theta = torch.tensor([0.0, 0.7])
    scores = -theta[:, None, None] * torch.arange(4.0).expand(2, 4, 4)
    identity = Mallows(torch.arange(4).expand(2, 4), theta)
    close(RepeatedInsertion(scores).table(), identity.table())


def test_items_overtaken_give_the_permutation():
    every = every_permutation(5)
    assert torch.equal(inserted(overtaken(every)), every)


def test_kl_is_the_sum():
    one, two = distributions(4)["plackett_luce"], distributions(4)["matching"]
    log_q, log_p = one.table(), two.table()
    close(kl_divergence(one, two), (log_q.exp() * (log_q - log_p)).sum(0))


def test_the_normaliser_of_a_matching_is_the_permanent():
    scores = torch.randn(3, 3)
    permanent = sum(
        math.prod(scores[i, p[i]].exp().item() for i in range(3)) for p in permutations(range(3))
    )
    pi = torch.tensor([1, 2, 0])
    expected = (scores[0, 1] + scores[1, 2] + scores[2, 0]).item() - math.log(permanent)
    assert matching(scores).log_prob(pi).item() == pytest.approx(expected, rel=IDENTITY)


def test_sinkhorn_is_doubly_stochastic_and_tends_to_the_best_matching():
    scores = torch.randn(5, 4, 4)
    soft = sinkhorn(scores, 200)
    close(soft.sum(-1), torch.ones(5, 4))
    close(soft.sum(-2), torch.ones(5, 4))
    cold, best = sinkhorn(scores / 0.005, 2000), best_matching(scores)
    assert torch.equal(cold.round(), best)
    for found, row in zip(best, scores, strict=True):
        totals = [sum(row[i, p[i]] for i in range(4)) for p in permutations(range(4))]
        assert (found * row).sum().item() == pytest.approx(float(max(totals)), rel=IDENTITY)


def test_the_matrix_of_a_permutation():
    pi = torch.tensor([[1, 2, 0]])
    values = torch.tensor([10.0, 20.0, 30.0])
    assert (values @ as_matrix(pi)).tolist() == [[30.0, 10.0, 20.0]]  # item i in place pi_i
    matrix = torch.rand(2, 3, 3)
    assert as_matrix(matrix) is matrix
