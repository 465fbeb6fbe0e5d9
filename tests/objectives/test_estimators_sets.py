"""The unordered set estimator: draws without replacement, chances of sets, exact gradients."""

import itertools
import math

import pytest
import torch
from cases import (
    ERRORS,
    IDENTITY,
    built,
    named,
    relative_error,
)
from finite_models import Table, by_enumeration, categorical, seeded
from network_of_causes import (
    ROWS,
    batch_gradients,
    largest_z,
)
from toys import (
    LOGITS,
    a_toy,
    bernoulli_toy,
    curved,
    exact_toy_gradient,
    guide_variance,
    toy_gradients,
)

from guides import AmortisedDiscrete
from zoo.latents import describe
from zoo.objectives import LeaveOneOut, UnorderedSet
from zoo.objectives.unordered_set import set_weights
from zoo.objectives.without_replacement import log_set_chances, sample_states

P = torch.tensor([0.05, 0.4, 0.15, 0.3, 0.1])


@pytest.mark.parametrize(("model", "states"), [(categorical, 9), (Table, 5), (Table, 10)])
def test_a_set_of_all_states_has_no_noise(model, states):
    """Ten particles take the five states that there are."""
    exact = by_enumeration(model, AmortisedDiscrete)
    with built(seeded(model), AmortisedDiscrete, UnorderedSet(states), (ROWS,)) as program:
        found = batch_gradients(program, ROWS, batches=3, copies=1)
    assert relative_error(found, exact.expand_as(found)) < IDENTITY


def test_latents_that_rows_share_are_taken():
    """Without a row plate a joint state is of all latents: here of three bits."""
    exact = exact_toy_gradient(curved, LOGITS)
    with a_toy(bernoulli_toy(curved, LOGITS), UnorderedSet(3)) as program:
        assert largest_z(toy_gradients(program, 4000), exact) < ERRORS
    with a_toy(bernoulli_toy(curved, LOGITS), UnorderedSet(8)) as program:
        found = toy_gradients(program, 2)
    assert relative_error(found, exact.expand_as(found)) < IDENTITY


def sequences(p, count):
    """Every sequence of different states, with its chance under draws without replacement."""
    for states in itertools.permutations(range(len(p)), count):
        chance, left = 1.0, 1.0
        for s in states:
            chance, left = chance * float(p[s]) / left, left - float(p[s])
        yield states, chance


def test_states_are_drawn_without_replacement():
    """Two elements, of two and of three classes: the first and the second of the draws."""
    one, two = torch.tensor([0.3, 0.7]), torch.tensor([0.2, 0.5, 0.3])
    rows = 60_000
    log_q = [p.log().expand(rows, -1) for p in (one, two)]
    log_p, (first, second) = sample_states(log_q, 2)
    p = (one[:, None] * two).flatten()
    state = first * 3 + second
    assert relative_error(log_p, p.log()[state]) < IDENTITY
    drawn = torch.nn.functional.one_hot(state[0] * 6 + state[1], 36).to(p)
    exact = torch.zeros(36)
    for (a, b), chance in sequences(p, 2):
        exact[a * 6 + b] = chance
    assert torch.equal(drawn.sum(0) > 0, exact > 0)
    assert largest_z(drawn[:, exact > 0], exact[exact > 0]) < ERRORS


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_chance_of_a_set_is_the_sum_over_its_orders(size):
    chances = {}
    for states, chance in sequences(P, size):
        key = frozenset(states)
        chances[key] = chances.get(key, 0.0) + chance
    for states, chance in chances.items():
        inside = P[sorted(states)].log()[:, None]
        rest = (1 - P[sorted(states)].sum()).clamp(min=0.0).log()[None]
        found = log_set_chances(inside, rest).of([frozenset(range(size))]).exp()
        assert float(found) == pytest.approx(chance, rel=IDENTITY)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_over_all_sets_the_estimate_is_exact(size):
    """The mean over all sets with their chances: of f, and of the gradient in the logits."""
    f, values, gradients = torch.tensor([1.0, -2.0, 0.5, 3.0, 4.0]), 0.0, torch.zeros(5)
    for states in itertools.combinations(range(5), size):
        inside = P[list(states)].log()[:, None]
        rest = (1 - P[list(states)].sum()).clamp(min=0.0).log()[None]
        chance = log_set_chances(inside, rest).of([frozenset(range(size))])[0].exp()
        share, baseline = set_weights(inside, f[list(states)][:, None])
        score = torch.eye(5)[list(states)] - P
        values += float(chance * (share[:, 0] * f[list(states)]).sum())
        signal = share * (f[list(states)][:, None] - baseline)
        gradients += chance * (signal * score).sum(0)
    assert values == pytest.approx(float(P @ f), rel=IDENTITY)
    assert relative_error(gradients, P * (f - P @ f)) < IDENTITY


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nearly_certain_states_leave_the_weights_finite(dtype):
    logits = torch.tensor([[200.0, 0.0, -3.0], [0.0, 40.0, 0.0]], dtype=dtype)
    log_q = [logits.log_softmax(-1), logits.flip(1).log_softmax(-1)]
    log_p, _ = sample_states(log_q, 4)
    share, baseline = set_weights(log_p, torch.ones_like(log_p))
    assert share.isfinite().all()
    assert (share.sum(0) - 1).abs().max() <= 1e-6
    assert (baseline[share > 0.5] - 1).abs().max() <= 1e-6


@pytest.mark.thin(2)
@pytest.mark.parametrize("model", [categorical, Table], ids=named)
def test_its_variance_is_lower_than_of_leave_one_out(model):
    less, more = (guide_variance(seeded(model), o) for o in (UnorderedSet(3), LeaveOneOut(3)))
    assert more[0] - less[0] > ERRORS * (less[1] ** 2 + more[1] ** 2).sqrt()


def test_the_cost_is_said():
    latents = describe(seeded(categorical), ROWS)
    assert [UnorderedSet(k).evaluations(latents) for k in (2, 9, 10)] == [2, 9, 9]
    toy, _ = bernoulli_toy(curved, LOGITS)
    assert UnorderedSet(10).evaluations(describe(toy)) == math.prod((2, 2, 2))


def test_what_it_does_not_take_is_refused():
    for particles in (1, 11):
        with pytest.raises(ValueError, match=f"particles.*{particles}"):
            UnorderedSet(particles)
