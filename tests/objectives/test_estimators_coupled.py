"""DisARM on a tree: exact on categorical latents, DisARM itself on binary ones."""

import math

import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    relative_error,
)
from finite_models import categorical, seeded
from network_of_causes import (
    ROWS,
    largest_z,
)
from toys import (
    LOGITS,
    a_toy,
    bernoulli_toy,
    curved,
    gradient_under,
    guide_variance,
    toy_gradients,
)

from zoo.latents import describe
from zoo.objectives import DisARM, DisARMTree, LeaveOneOut
from zoo.objectives.antithetic import draw_twice
from zoo.objectives.disarm_tree import balanced_tree, coupled, node_weights, reached

TREE = (DisARMTree(), DisARMTree(pairs=3))


def test_with_two_classes_it_is_disarm():
    unused, toy = torch.rand(3), bernoulli_toy(curved, LOGITS)
    for _ in range(40):
        u = torch.rand(3)
        tree, _ = gradient_under(toy, DisARMTree(), [unused, u[None, :, None]])
        disarm, _ = gradient_under(toy, DisARM(), [unused, u[None]])
        assert (tree - disarm).abs().max() <= IDENTITY


def test_with_two_classes_of_a_categorical_it_is_disarm_in_their_difference():
    logits = torch.stack((0.25 - LOGITS / 2, 0.25 + LOGITS / 2), -1)
    torch.manual_seed(0)
    found = coupled(logits, 40)
    torch.manual_seed(0)
    bits = draw_twice(LOGITS, torch.rand(40, 3))
    assert relative_error(found.logit[:, 0], LOGITS) < IDENTITY
    assert torch.equal(found.z[..., 1], bits.one)
    assert torch.equal(found.z2[..., 1], bits.two)
    weight = (bits.one - bits.two) / 2 * LOGITS.abs().sigmoid()
    assert relative_error(found.weight[..., 0], weight) < IDENTITY


@pytest.mark.parametrize("classes", range(2, 12))
def test_every_class_is_at_the_end_of_one_short_path(classes):
    left, right = balanced_tree(classes)
    assert not (left & right).any()
    assert (left | right).sum(0).max() <= math.ceil(math.log2(classes))
    for one in torch.eye(classes, dtype=torch.bool):
        decisions = (right & one).any(-1).double()
        assert torch.equal(reached(decisions, left, right) > 0, one)
        others = torch.where((left | right)[:, one].squeeze(-1), decisions, 1 - decisions)
        assert torch.equal(reached(others, left, right) > 0, one)  # off the path all is one


def test_the_draws_have_the_guides_law():
    logits = torch.tensor([0.3, -1.0, 0.8, 0.0, -0.4])
    found = coupled(logits, 40_000)
    for z in (found.z, found.z2):
        assert torch.equal(z.sum(-1), torch.ones(40_000))
        assert largest_z(z, logits.softmax(-1)) < ERRORS


def test_the_weights_are_those_of_disarm_averaged_over_what_the_draws_do_not_show():
    """DisARM of all nodes less the weights has mean 0 given both draws."""
    left, right = balanced_tree(4)
    draws = draw_twice(torch.tensor([0.4, -0.7, 1.2]), torch.rand(200_000, 3))
    z, z2 = (reached(b, left, right) for b in (draws.one, draws.two))
    passed = [one @ (left | right).mT.to(one) for one in (z, z2)]
    plain = (draws.one - draws.two) * draws.logit.abs().sigmoid() / 2
    off = plain - node_weights(draws, *passed)
    both = (z[:, :, None] * z2[:, None, :]).flatten(1)
    given = (both[:, :, None] * off[:, None, :]).flatten(1)
    assert largest_z(given, torch.zeros(given.shape[1])) < ERRORS
    assert off.abs().max() > 0.1


def test_its_variance_is_lower_than_of_two_independent_draws():
    order = [guide_variance(seeded(categorical), o) for o in (DisARMTree(), LeaveOneOut(2))]
    (low, low_error), (high, high_error) = order
    assert high - low > ERRORS * (low_error**2 + high_error**2).sqrt()


def test_independent_pairs_divide_the_variance():
    total = []
    for pairs in (1, 4):
        with a_toy(bernoulli_toy(curved, LOGITS), DisARMTree(pairs)) as program:
            total.append(toy_gradients(program, 20_000).var(0).sum())
    assert 0.8 < total[0] / (4 * total[1]) < 1.25


def test_the_cost_is_said():
    latents = describe(seeded(categorical), ROWS)
    assert [one.evaluations(latents) for one in TREE] == [2, 6]


def test_what_it_does_not_take_is_refused():
    with pytest.raises(ValueError, match="pairs.*0"):
        DisARMTree(pairs=0)
