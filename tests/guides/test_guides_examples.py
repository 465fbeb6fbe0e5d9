"""The example in the docstring of every guide of the table, and of what composes them."""

import pytest
from examples import example_of, faults_of

from guides import GUIDES, compose

FAMILIES = {getattr(guide, "func", guide): name for name, guide in reversed(GUIDES.items())}
NAMES = {family: name for family, name in FAMILIES.items() if not family.parts}
NAMES[compose] = "compose"


@pytest.mark.parametrize("family", NAMES, ids=NAMES.values())
def test_every_guide_has_an_example_that_runs(family):
    example = example_of(family)
    assert example.examples, f"{family.__name__} has no example in its docstring"
    assert not faults_of(example)
