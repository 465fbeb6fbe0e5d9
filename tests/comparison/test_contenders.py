"""Names of guides and objectives: those of the tables, of classes, and a user's own."""

from functools import partial

import pyro.infer
import pytest
from pyro.infer.autoguide import AutoNormal

from guides import AmortisedIAF, FullRank, MeanField
from zoo.comparison.contenders import named_guides, named_objectives, refuse_twins
from zoo.objectives import IWAE, OBJECTIVES, Renyi


def own_guide(x):
    pass


def own_loss(model, guide, x):
    pass


def test_guides_are_named():
    deep = partial(AmortisedIAF, depth=4, hidden=32)
    found = named_guides(["mean_field", FullRank, deep, AutoNormal, own_guide])
    assert found == {
        "mean_field": MeanField,
        "full_rank": FullRank,
        "AmortisedIAF(depth=4,hidden=32)": deep,
        "AutoNormal": AutoNormal,
        "own_guide": own_guide,
    }
    assert named_guides({"mine": own_guide, "theirs": "full_rank"}) == {
        "mine": own_guide,
        "theirs": FullRank,
    }


def test_objectives_are_named():
    found = named_objectives(["trace", IWAE(20), Renyi(), pyro.infer.Trace_ELBO(3), own_loss])
    assert list(found)[:2] == ["trace", "IWAE(particles=20)"]
    assert list(found)[3:] == ["Trace_ELBO(3)", "own_loss"]
    assert found["trace"] == OBJECTIVES["trace"]
    assert list(found)[2] in {name for name, one in OBJECTIVES.items() if one == Renyi()}


@pytest.mark.parametrize(
    ("guides", "sentence"),
    [
        ([], "at least one member"),
        ({}, "at least one member"),
        ([MeanField, "mean_field"], "two named 'mean_field'"),
        ({"a/b": MeanField}, "letters, digits"),
        ({"": MeanField}, "letters, digits"),
        ([3], "guide"),
        ("mean_field", "to be a list"),
    ],
)
def test_what_cannot_be_named_is_refused(guides, sentence):
    with pytest.raises(ValueError, match=sentence):
        named_guides(guides)


def test_a_setting_that_is_a_function_is_named():
    (name,) = named_guides([partial(AutoNormal, init_loc_fn=own_loss)])
    assert name == "AutoNormal(init_loc_fn=own_loss)"


def test_two_runs_of_one_name_are_refused():
    with pytest.raises(ValueError, match="Two runs would have the name 'a-b-c-seed0'"):
        refuse_twins(["a-b-c-seed0", "d-c-seed0", "a-b-c-seed0"])
