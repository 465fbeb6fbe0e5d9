"""Models with guides and objectives that go together: captured equals plain.

In the default run a few cases that cover the tables; in the slow one every pair of a model, a
guide and an objective in some case; the rest by `pytest -m exhaustive`, which takes an hour.
"""

from itertools import combinations

import pytest
from cases import MODEL_CASES, guide_of
from cases_pairs import ALLOWED, GUIDE_CASES
from steps import a_capture, equal_on_fresh_inputs

from guides import GUIDES
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES

PRODUCT = [
    (model, guide, objective)
    for model, guides in ALLOWED.items()
    for guide, objectives in guides.items()
    for objective in sorted(objectives)
]
LOOKS = ("logistic_regression", "bernoulli_vae", "categorical_vae", "bernoulli_latent")


def covering():
    """On each of LOOKS all objectives and guides in turns; what is left on a case of its own."""
    chosen = set()
    for look in LOOKS:
        guides = list(ALLOWED[look])
        for i, objective in enumerate(OBJECTIVES):
            turns = guides[i % len(guides) :] + guides[: i % len(guides)]
            suit = [guide for guide in turns if objective in ALLOWED[look][guide]]
            chosen |= {(look, guide, objective) for guide in suit[:1]}
        chosen |= {(look, guide, min(ALLOWED[look][guide])) for guide in guides}
    for guide in set(GUIDES) - {guide for _, guide, _ in chosen}:
        model, objective = GUIDE_CASES[guide]
        chosen.add((model, guide, objective))
    for objective in set(OBJECTIVES) - {objective for _, _, objective in chosen}:
        chosen.add(next(names for names in PRODUCT if names[2] == objective))
    return chosen


def pairs(names):
    """The columns taken two at a time, with their values."""
    return set(combinations(enumerate(names), 2))


def pairwise(cases):
    """Few of them that hold every pair that occurs: first those that bring three new ones."""
    left, chosen = set().union(*map(pairs, cases)), set()
    for new in (3, 2, 1):
        for names in cases:
            if len(pairs(names) & left) >= new:
                chosen.add(names)
                left -= pairs(names)
    return chosen


DEFAULT = covering()
LONG = pairwise(PRODUCT) - DEFAULT


def case(*names):
    """With the mark of the first run that it is in."""
    run = pytest.mark.slow if names in LONG else pytest.mark.exhaustive
    return pytest.param(*names, marks=() if names in DEFAULT else run)


def test_every_pair_occurs():
    held = set().union(*map(pairs, DEFAULT | LONG))
    assert held == set().union(*map(pairs, PRODUCT))


def test_every_member_of_the_tables_occurs():
    models, guides, objectives = (set(column) for column in zip(*PRODUCT, strict=True))
    assert models == set(MODELS)
    assert guides == set(GUIDES)
    assert objectives == set(OBJECTIVES)
    assert {guide for _, guide, _ in DEFAULT} == set(GUIDES)
    assert {objective for _, _, objective in DEFAULT} == set(OBJECTIVES)


@pytest.mark.thin(138)
@pytest.mark.parametrize(("model", "guide", "objective"), [case(*c) for c in PRODUCT])
def test_the_captured_step_is_the_plain_step(model, guide, objective):
    made, args = MODEL_CASES[model].make(rows=4)
    with a_capture(made, guide_of(guide), args, OBJECTIVES[objective]) as parts:
        assert equal_on_fresh_inputs(*parts, steps=(9.0,))
