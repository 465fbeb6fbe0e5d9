"""Which guide goes with which model and objective, and what is said where they do not."""

import inspect
import pickle
import re
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import MODEL_CASES
from cases_pairs import ALLOWED
from pyro.infer import TraceEnum_ELBO
from refusals import RULES
from refused_models import case, counts, hierarchical, many_bits, mixed, two_levels, unsized

import zoo
import zoo.pairing.mismatch
from guides import (
    GUIDES,
    IAF,
    AmortisedDiscrete,
    AmortisedNormal,
    Empty,
    FullRank,
    Hamiltonian,
    MeanField,
    PerDatum,
    Relaxed,
)
from zoo.cli.refusals import explained
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES, ReweightedWakeSleep, as_objective
from zoo.pairing import guide_rules, model_rules
from zoo.pairing.guide_rules import CLASHES, FOR_FAMILIES
from zoo.pairing.mismatch import family_of, listed, mismatch
from zoo.pairing.model_rules import FOR_ANY, shared_weights


@pytest.mark.parametrize("name", RULES)
def test_every_rule_says_what_is_wrong_and_the_way_out(name):
    (model, args), guide, objective, fragment, way_out = RULES[name]
    sentence = mismatch(zoo.describe(model, *args), guide, as_objective(objective))
    assert fragment in sentence
    assert way_out in sentence
    assert sentence.endswith(".")
    with pytest.raises(zoo.PairingError) as caught:
        zoo.fit(model, guide, *args, objective=objective, steps=1, device="cpu")
    assert caught.value.sentence == sentence
    assert str(caught.value).startswith(sentence)
    assert isinstance(caught.value, ValueError)


def test_an_error_names_guides_that_fit():
    """By the classes in Python, by the names of the table on the command line."""
    model, args = case("eight_schools")
    with pytest.raises(zoo.PairingError) as caught:
        zoo.fit(model, AmortisedNormal, *args, steps=1)
    assert {FullRank, Hamiltonian, IAF, MeanField} <= set(
        caught.value.families
    )  # and those of other tests
    assert "latents. Guides that fit: " in str(caught.value)
    names = [name for name in GUIDES if "trace" in ALLOWED["eight_schools"].get(name, ())]
    assert names[:2] == ["mean_field", "full_rank"]
    assert explained(caught.value).endswith(" ".join(listed(names)))
    latents = zoo.describe(model, *args)
    trace = OBJECTIVES["trace"]
    assert all(mismatch(latents, one, trace) is None for one in caught.value.families)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.families) == (str(caught.value), caught.value.families)


def test_where_no_guide_fits_none_is_named():
    with pytest.raises(zoo.PairingError) as caught:
        zoo.fit(counts, lambda x: None, torch.randn(5), objective="arm", steps=1)
    assert "Guides that fit" not in str(caught.value)
    assert len(listed([str(i) for i in range(20)])[0].split(", ")) == 8


def test_every_rule_is_applied():
    """Each function of the two modules that can return a sentence is in its module's list."""
    for module, rules in ((guide_rules, FOR_FAMILIES), (model_rules, FOR_ANY)):
        found = {
            function
            for function in vars(module).values()
            if inspect.isfunction(function)
            and function.__module__ == module.__name__
            and inspect.signature(function).return_annotation == str | None
        }
        assert found == set(rules) - set(CLASHES)
    assert set(CLASHES) <= set(FOR_FAMILIES)


def test_every_rule_has_a_case():
    """Each says its sentence in some case above."""
    hit = {shared_weights}  # in the test below
    for (model, args), guide, asked, _, _ in RULES.values():
        latents, objective = zoo.describe(model, *args), as_objective(asked)
        hit |= {rule for rule in FOR_ANY if rule(latents, objective)}
        family = family_of(guide)
        hit |= {rule for rule in FOR_FAMILIES if rule(latents, family, objective)}
    assert hit == {*FOR_FAMILIES, *FOR_ANY}


@pytest.mark.parametrize(
    ("model", "objective", "fragment"),
    [
        (counts, "arm", "'k' is unbounded integer"),
        (hierarchical, "layer_sum", "sums over one finite latent"),
        (hierarchical, "wake_sleep", "do not all belong to rows"),
        (hierarchical, "nvil", "A neural baseline reads data rows"),
        (two_levels, "local_sum", "'own' belongs to a row and 'common' is shared by all"),
        (two_levels, "layer_sum", "'own' belongs to a row and 'common' is shared by all rows"),
        (unsized, "rws", "the plate 'data' has no size, so that no argument is known"),
        (counts, "enumerate", "'k' has infinitely many values"),
        (many_bits, "layer_sum", "takes 131072 joint states"),
    ],
)
def test_what_no_guide_could_mend_is_refused_for_a_hand_written_one(model, objective, fragment):
    x = torch.randn(5)
    sentence = mismatch(zoo.describe(model, x), lambda x: None, as_objective(objective))
    assert fragment in sentence


def test_without_sleep_nothing_is_dreamed():
    model, args = case("ppca")
    assert mismatch(zoo.describe(model, *args), PerDatum, ReweightedWakeSleep(5, 0.0)) is None


@pytest.mark.parametrize("objective", ["renyi", "iwae"])
def test_weights_are_not_shared_under_minibatches(objective):
    x = torch.randn(12)
    words = r"under a minibatch all rows share 'mean'.* Use all rows at once, or trace\."

    def globally(x):
        mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, 1.0), obs=x)

    def guide(x):
        pyro.sample("mean", dist.Normal(pyro.param("loc", x.new_zeros(())), 1.0))

    for family in (MeanField, guide):
        with pytest.raises(zoo.PairingError, match=words):
            zoo.fit(globally, family, x, objective=objective, steps=1, batch_size=4)
        assert len(zoo.fit(globally, family, x, objective=objective, steps=1).losses) == 1


def test_a_plate_without_a_size_takes_a_hand_written_guide_and_all_rows():
    def guide(x):
        with pyro.plate("data"):
            pyro.sample("z", dist.Normal(pyro.param("loc", torch.zeros(len(x))), 1.0))

    x = torch.randn(5)
    assert len(zoo.fit(unsized, guide, x, steps=2).losses) == 2
    with pytest.raises(ValueError, match=r"plate 'data' has no size. Write pyro.plate\('data', "):
        zoo.fit(unsized, guide, x, steps=2, batch_size=2)


def test_a_hand_written_guide_must_cover_all():
    def guide(x):
        pyro.sample("mean", dist.Normal(pyro.param("loc", x.new_zeros(())), 1.0))

    with pytest.raises(zoo.PairingError, match="latent 'z' is not among them. Sample it in"):
        zoo.fit(hierarchical, guide, torch.randn(5), steps=1)


def test_enumerate_leaves_the_continuous_latents_to_the_guide():
    latents = zoo.describe(mixed, torch.randn(5))
    for objective in (OBJECTIVES["enumerate"], as_objective(TraceEnum_ELBO())):
        assert mismatch(latents, AmortisedNormal, objective) is None
        assert "'z' is local and continuous" in mismatch(latents, Empty, objective)
    assert "'z' is local and continuous" in mismatch(
        latents, AmortisedDiscrete, OBJECTIVES["enumerate"]
    )


@pytest.mark.parametrize("model", MODELS)
def test_the_table_of_what_goes_together(model):
    made, args = MODEL_CASES[model].make()
    latents = zoo.describe(made, *args)
    assert set(ALLOWED[model]) <= set(GUIDES)
    for guide, family in GUIDES.items():
        fit = {name for name, o in OBJECTIVES.items() if mismatch(latents, family, o) is None}
        assert fit == ALLOWED[model].get(guide, set()), guide


def test_a_class_a_partial_and_an_instance_are_judged_alike():
    model, args = MODEL_CASES["bernoulli_latent"].make()
    latents = zoo.describe(model, *args)
    specs = (Relaxed, partial(Relaxed, straight_through=True), Relaxed(latents))
    sentences = {mismatch(latents, spec, OBJECTIVES["enumerate"]) for spec in specs}
    assert len(sentences) == 1
    assert None not in sentences
    assert mismatch(latents, lambda x: None, OBJECTIVES["mean_field"]) is None


def test_no_rule_names_a_model_or_a_guide():
    """A way out may name an objective or Empty; a condition never names anything."""
    modules = (zoo.pairing.mismatch, guide_rules, model_rules)
    source = "".join(inspect.getsource(module) for module in modules)
    families = {getattr(guide, "func", guide).__name__ for guide in GUIDES.values()} - {"Empty"}
    models = {type(MODEL_CASES[name].build()).__name__ for name in MODELS}
    for name in families | models | (set(MODELS) - {"draw"}):  # a word of every sentence
        assert not re.search(rf"\b{name}\b", source), name
    imported = {name for module in modules for name in vars(module)}
    assert not imported & (families | models | {"Empty"})
