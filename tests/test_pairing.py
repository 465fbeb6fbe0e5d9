"""Which guide goes with which model and objective, and what is said where they do not."""

import inspect
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import MODEL_CASES
from cases_pairs import ALLOWED
from pyro.infer import TraceEnum_ELBO
from refusals import RULES, case, counts, hierarchical, mixed

import zoo
import zoo.pairing
import zoo.rules
from guides import (
    GUIDES,
    AmortisedDiscrete,
    AmortisedNormal,
    Empty,
    MeanField,
    PerDatum,
    Relaxed,
)
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES, ReweightedWakeSleep, as_objective
from zoo.pairing import family_of, mismatch
from zoo.rules import FOR_ANY, FOR_FAMILIES, shared_weights


@pytest.mark.parametrize("name", RULES)
def test_every_rule_says_what_is_wrong_and_the_way_out(name):
    (model, args), guide, objective, fragment, way_out = RULES[name]
    sentence = mismatch(zoo.describe(model, *args), guide, as_objective(objective))
    assert fragment in sentence
    assert way_out in sentence
    assert sentence.endswith(".")
    with pytest.raises(zoo.PairingError) as caught:
        zoo.fit(model, guide, *args, objective=objective, steps=1, device="cpu")
    assert str(caught.value) == sentence
    assert isinstance(caught.value, ValueError)


def test_every_rule_is_applied():
    """Each function of the module that can return a sentence is in one of its two lists."""
    found = {
        function
        for function in vars(zoo.rules).values()
        if inspect.isfunction(function)
        and function.__module__ == zoo.rules.__name__
        and inspect.signature(function).return_annotation == str | None
    }
    assert found == {*FOR_FAMILIES, *FOR_ANY}


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
    source = inspect.getsource(zoo.pairing) + inspect.getsource(zoo.rules)
    families = {getattr(guide, "func", guide).__name__ for guide in GUIDES.values()} - {"Empty"}
    models = {type(MODEL_CASES[name].build()).__name__ for name in MODELS}
    for name in families | models | set(MODELS):
        assert name not in source
    imported = {*vars(zoo.pairing), *vars(zoo.rules)}
    assert not imported & (families | models | {"Empty"})
