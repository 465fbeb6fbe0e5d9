"""Checks of arguments: what each takes, what it gives, and the one form of its refusals."""

import re
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from guides import MeanField
from zoo.checks.arguments import flag, number, one_of, place, several, whole
from zoo.checks.shown import shown
from zoo.data import load_data
from zoo.errors import unknown
from zoo.objectives import IWAE, OBJECTIVES, Renyi, Trace
from zoo.optim.schedules import Constant, Cosine, Drops, Exponential, Linear

NO_WHOLE = (0, -3, True, 2.0, "2", None, float("nan"), torch.tensor(2), np.array(2), [2], 10**40)


NO_NUMBER = (0.0, -1.0, True, "1", None, float("nan"), float("inf"), torch.tensor(1.0), 10**400)


def test_the_form_of_a_refusal():
    with pytest.raises(ValueError, match=".") as caught:
        whole("steps", "ten", way="Pass e.g. steps=1000.")
    assert str(caught.value) == (
        "Expected steps to be a whole number above 0; got 'ten'. Pass e.g. steps=1000."
    )


@pytest.mark.parametrize("value", NO_WHOLE, ids=repr)
def test_what_is_no_whole_number(value):
    with pytest.raises(ValueError, match=r"Expected draws to be a whole number .*; got "):
        whole("draws", value)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_are_kept_as_pythons_own(value):
    assert whole("draws", value) == 3
    assert type(whole("draws", value)) is int


@pytest.mark.parametrize("value", NO_NUMBER, ids=lambda value: str(value)[:9])
def test_what_is_no_number_above_zero(value):
    with pytest.raises(ValueError, match="Expected lr to be a finite number above 0; got "):
        number("lr", value, above=0.0)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int8(2), Fraction(2)], ids=repr)
def test_numbers_are_kept_as_pythons_own(value):
    assert number("lr", value, above=0.0) == 2
    assert type(number("lr", value)) is float


def test_limits_of_a_number_are_said():
    sentence = "of at least 0 and below 1; got 1. Pass e.g. decay=0.5."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        number("decay", 1, least=0.0, below=1.0)


def test_flags_choices_lists_and_places():
    assert flag("progress", np.bool_(1)) is True
    assert one_of("until", "steps", ("steps", "converged")) == "steps"
    assert several("guides", ("a",), "") == ["a"]
    assert several("guides", {"a": 1}, "") == ["a"]
    assert place("path", Path("a") / "b") == Path("a/b")
    for check, value in (
        (flag, 1),
        (partial(one_of, allowed=(True, False, "auto")), 1),
        (partial(one_of, allowed=("steps",)), ["steps"]),
        (partial(several, way=""), "mean_field"),
        (partial(several, way=""), []),
        (partial(several, way=""), 3),
        (place, ""),
        (place, "a\0b"),
        (place, 3),
    ):
        with pytest.raises(ValueError, match="Expected it to be .*; got "):
            check("it", value)


def test_values_are_shown_in_few_words():
    class Loud:
        def __repr__(self):
            raise RuntimeError("never asked for")

    assert shown(Loud()) == "an object of class Loud"
    assert shown([Loud(), 1, "a"]) == "[an object of class Loud, 1, 'a']"
    assert shown(torch.zeros(2, 3)) == "a tensor of shape (2, 3) and type torch.float64"
    assert shown(np.zeros(2)) == "a numpy array of shape (2,) and type float64"
    assert shown(np.float64(0.5)) == "0.5"
    assert shown((1,)) == "(1,)"
    assert shown(MeanField) == "the class MeanField"
    assert len(shown("x" * 300)) == 60
    assert "bits" in shown(10**5000)


@pytest.mark.parametrize("name", [3, Trace, ["trace"], torch.zeros(2)])
def test_a_name_is_a_string(name):
    assert "Expected the name of one objective, a string; got" in str(
        unknown("objective", name, OBJECTIVES)
    )
    for ask in (
        partial(zoo.load, name),
        partial(load_data, name),
        partial(zoo.load, "vae", prior=name),
    ):
        with pytest.raises(ValueError, match="Expected .*; got"):
            ask()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(0, 1, -5),
        lambda: Linear(0, 1, 0),
        lambda: Linear(float("nan"), 1, 5),
        lambda: Cosine(0),
        lambda: Constant("one"),
        lambda: Exponential(1.0, -0.1),
        lambda: Drops((-1,), 0.1),
        lambda: Drops((5,), -0.1),
        lambda: Renyi(alpha=float("nan")),
        lambda: IWAE(particles=2.5),
        lambda: zoo.Estimator("a", Trace, None),
    ],
)
def test_records_are_checked_when_they_are_made(make):
    with pytest.raises(ValueError, match=r"Expected [\w ]+ to be .*; got "):
        make()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_number_of_every_objective_is_checked(name):
    objective = OBJECTIVES[name]
    for field, value in vars(objective).items():
        if isinstance(value, (bool, int, float)):
            for wrong in ("ten", None, float("nan"), torch.zeros(2)):
                with pytest.raises(ValueError, match=f"Expected {field} to be"):
                    type(objective)(**{**vars(objective), field: wrong})
