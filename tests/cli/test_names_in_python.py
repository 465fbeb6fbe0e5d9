"""A wrong name in Python is told what it is, with the call that takes it."""

import pytest
import torch

import guides
import zoo
from zoo.catalogue.aliases import ALIASES
from zoo.catalogue.answers import class_named
from zoo.catalogue.known import known
from zoo.catalogue.python import as_call, said_of

VAE = "zoo.fit(zoo.load('vae'), 'amortised_normal'"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: zoo.load("iwae"), f"iwae is an objective, not a model: {VAE}, objective='iwae')"),
        (lambda: zoo.load("pixelvae"), "zoo.fit(zoo.load('vae', decoder='pixel'), 'amortised_n"),
        (lambda: zoo.load("vea"), "Did you mean 'vae'?"),
        (lambda: zoo.load("vae", data="iwae"), "iwae is an objective, not a data set"),
        (lambda: zoo.load("vae", prior="iaf"), "iaf is a guide, not a prior of VAEs"),
        (lambda: zoo.fit(zoo.load("vae"), "dreg"), "dreg is an objective, not a guide"),
        (lambda: zoo.fit(zoo.load("vae"), "AmortisedIAF"), "the class of the guide 'amortised_ia"),
        (
            lambda: zoo.fit(zoo.load("vae"), guides.AmortisedNormal, objective="elbo"),
            f"elbo is the ELBO, called 'trace' here. Try: {VAE}, objective='trace')",
        ),
        (lambda: zoo.compare("vae", ["helmholtz"]), "zoo.load('sigmoid_belief'), 'amortised_lay"),
        (lambda: zoo.compare("fashion", ["iaf"]), "Fashion-MNIST, called 'fashion_mnist' here"),
    ],
)
def test_a_wrong_name_is_told_what_it_is(call, said):
    with pytest.raises(ValueError, match=".") as error:
        call()
    assert said in str(error.value)


def test_every_alias_has_a_call_that_python_takes():
    """Its names are those of tables, its keywords those of zoo.load and zoo.fit."""
    for alias in ALIASES.values():
        call = as_call(alias.command)
        if "(in a shell)" in call:
            continue
        tree = compile(call, alias.command, "eval")
        assert {"zoo", "fit", "load"} <= {*tree.co_names}


def test_options_that_python_does_not_have_stay_a_command():
    assert as_call("zoo fit vae --kl-warm-up 500") == "zoo fit vae --kl-warm-up 500 (in a shell)"
    assert as_call("zoo fit hvae --groups 8,16 --latent 3") == (
        "zoo.fit(zoo.load('hvae', latent=3, groups=[8, 16]), 'top_down')"
    )


def test_the_class_of_a_guide_or_objective_is_known():
    assert class_named("AmortisedIAF", known()) == ("guide", "amortised_iaf")
    assert class_named("guides.Relaxed", known()) == ("guide", "relaxed")
    assert class_named("LeaveOneOut", known()) == ("objective", "rloo")
    assert class_named("Nothing", known()) is None
    for name, family in guides.GUIDES.items():
        if isinstance(family, type) and not family.parts:
            assert class_named(family.__name__, known()) == ("guide", name)


def test_nothing_is_said_of_what_is_no_name():
    assert said_of("optimizer", "adam") is None
    assert said_of("model", torch.nn.Linear) is None
    assert said_of("model", "") is None
