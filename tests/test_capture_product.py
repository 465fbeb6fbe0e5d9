"""Every model with every guide and objective that go together: captured equals plain."""

import pytest
from cases import ALLOWED, GUIDE_CASES, MODEL_CASES, guide_of
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
    return chosen


DEFAULT = covering()


def case(*names):
    """In the default run: what covers the tables; the rest is slow."""
    return pytest.param(*names, marks=() if names in DEFAULT else pytest.mark.slow)


def test_every_member_of_the_tables_occurs():
    models, guides, objectives = (set(column) for column in zip(*PRODUCT, strict=True))
    assert models == set(MODELS)
    assert guides == set(GUIDES)
    assert objectives == set(OBJECTIVES)
    assert {guide for _, guide, _ in DEFAULT} == set(GUIDES)
    assert {objective for _, _, objective in DEFAULT} == set(OBJECTIVES)


@pytest.mark.parametrize(("model", "guide", "objective"), [case(*c) for c in PRODUCT])
def test_the_captured_step_is_the_plain_step(model, guide, objective):
    made, args = MODEL_CASES[model].make(rows=4)
    with a_capture(made, guide_of(guide), args, OBJECTIVES[objective]) as parts:
        assert equal_on_fresh_inputs(*parts, steps=(9.0,))
