"""Every model with every guide and objective that go together: captured equals plain."""

import pytest
from cases import ALLOWED, MODEL_CASES, guide_of
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


FIRST = {(guide, objective): model for model, guide, objective in reversed(PRODUCT)}


def case(model, guide, objective):
    """In the default run: the first model of each pair of guide and objective."""
    default = FIRST[guide, objective] == model
    return pytest.param(model, guide, objective, marks=() if default else pytest.mark.slow)


def test_every_member_of_the_tables_occurs():
    models, guides, objectives = (set(column) for column in zip(*PRODUCT, strict=True))
    assert models == set(MODELS)
    assert guides == set(GUIDES)
    assert objectives == set(OBJECTIVES)
    assert set(FIRST.values()) >= {"eight_schools", "ppca", "bernoulli_latent"}


@pytest.mark.parametrize(("model", "guide", "objective"), [case(*c) for c in PRODUCT])
def test_the_captured_step_is_the_plain_step(model, guide, objective):
    made, args = MODEL_CASES[model].make(rows=4)
    with a_capture(made, guide_of(guide), args, OBJECTIVES[objective]) as parts:
        assert equal_on_fresh_inputs(*parts, steps=(9.0,))
