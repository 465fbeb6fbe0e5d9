"""Calls with wrong arguments, drawn by fixed seeds: each is accepted or refused in plain words.

No exception comes from deep inside: it is one of the zoo's own that a line of the zoo raises, or
what the user's own model raised, or Python's for a keyword that a function does not have.
"""

from collections import Counter

import pytest
import torch

from benchmarks.robustness.fuzz_calls import calls
from benchmarks.robustness.fuzz_doors import DOORS
from benchmarks.robustness.fuzz_outcomes import Call, outcome
from zoo.isolation import isolated


@pytest.fixture(autouse=True)
def alone():
    """All random state is set aside: the calls train and draw."""
    with isolated(seed=0):
        yield


def outcomes(count, seed):
    found, foreign = Counter(), []
    for call in calls(count, seed):
        end, error = outcome(call)
        found[end] += 1
        if end == "foreign":
            foreign.append(f"{call.door}, {call.kind}: {call.said}: {error!r}")
    assert foreign == []
    assert sum(found.values()) == count
    return found


def test_no_wrong_argument_ends_deep_inside():
    found = outcomes(200, seed=1)
    assert set(found) == {"accepted", "refused", "signature", "own model"}


@pytest.mark.slow
def test_no_wrong_argument_of_many_ends_deep_inside():
    outcomes(2000, seed=0)


@pytest.mark.parametrize("name", ["fit", "evaluate", "compare", "load", "load_data", "mismatch"])
def test_the_calls_are_right_before_they_are_made_wrong(name):
    function, first, settings = DOORS[name]()
    function(*first.values(), **settings)


def test_a_seed_fixes_the_calls_and_fewer_are_the_first_of_more():
    few, many = ([call.said for call in calls(count, 3)] for count in (20, 30))
    assert many[:20] == few
    assert [call.said for call in calls(20, 4)] != few


def test_an_error_of_torch_inside_the_zoo_is_foreign():
    """The judge is not blind: what is refused by no line of the zoo is found."""
    deep = Call("torch", "deep", "", lambda: torch.zeros(2) @ torch.zeros(3))
    assert outcome(deep)[0] == "foreign"
    implicit = Call("int", "deep", "", lambda: int("ten"))
    assert outcome(implicit)[0] == "foreign"
