"""The example in the docstring of every objective of the table."""

import pytest
from examples import example_of, faults_of

from zoo.objectives import OBJECTIVES

NAMES = {type(objective): name for name, objective in reversed(OBJECTIVES.items())}


@pytest.mark.thin(4)
@pytest.mark.parametrize("kind", NAMES, ids=NAMES.values())
def test_every_objective_has_an_example_that_runs(kind):
    example = example_of(kind)
    assert example.examples, f"{kind.__name__} has no example in its docstring"
    assert not faults_of(example)
