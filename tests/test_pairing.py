"""Which guide goes with which model and objective, and what is said where they do not."""

import inspect
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import ALLOWED, MODEL_CASES
from pyro.infer import TraceEnum_ELBO, TraceMeanField_ELBO

import zoo
import zoo.pairing
from guides import (
    GUIDES,
    IAF,
    AmortisedDiscrete,
    AmortisedLayers,
    AmortisedNormal,
    Empty,
    MeanField,
    Relaxed,
)
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES, as_objective
from zoo.pairing import mismatch


def sphere(x):
    z = pyro.sample("z", dist.ProjectedNormal(torch.tensor([0.0, 0.0, 1.0])))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z.sum(-1), 1.0), obs=x)


def mixed(x):
    """A discrete latent and a continuous one for every row."""
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Bernoulli(x.new_full((), 0.3)))
        z = pyro.sample("z", dist.Normal(k, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def counts(x):
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Poisson(x.new_ones(())))
        pyro.sample("x", dist.Normal(k, 1.0), obs=x)


def integers(x):
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(x.new_ones(3)))
        pyro.sample("x", dist.Normal(k.to(x.dtype), 1.0), obs=x)


def hierarchical(x):
    mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 1.0))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(mean, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def two_levels(x):
    """A switch common to all rows, and one for every row."""
    common = pyro.sample("common", dist.Bernoulli(x.new_full((), 0.3)))
    with pyro.plate("data", len(x)):
        own = pyro.sample("own", dist.Bernoulli(0.2 + 0.5 * common))
        pyro.sample("x", dist.Normal(own, 1.0), obs=x)


def case(name):
    model, args = MODEL_CASES[name].make()
    return model, args


def numbers(model):
    return model, (torch.randn(6),)


RULES = {
    "global guide on a local latent": (
        case("ppca"),
        MeanField,
        "trace",
        "MeanField covers global continuous latents; 'z' is local and continuous",
        "Use a guide for local continuous latents.",
    ),
    "local guide on a global latent": (
        case("eight_schools"),
        AmortisedNormal,
        "trace",
        "AmortisedNormal covers local continuous latents; 'mu' is global and continuous",
        "Use a guide for global continuous latents.",
    ),
    "one latent of two": (
        numbers(hierarchical),
        MeanField,
        "trace",
        "'z' is local and continuous",
        "Use a guide for local continuous latents.",
    ),
    "continuous guide on a discrete latent": (
        case("bernoulli_latent"),
        AmortisedNormal,
        "trace",
        "'z' is local and discrete, with support",
        "Use a guide for local discrete latents, or an objective that sums it out: enumerate.",
    ),
    "infinitely many values": (
        numbers(counts),
        AmortisedDiscrete,
        "trace",
        "'k' is local and discrete",
        "Use a guide for local discrete latents.",
    ),
    "integers are not relaxed": (
        numbers(integers),
        Relaxed,
        "trace",
        "'k' is local and discrete",
        "or an objective that sums it out: enumerate.",
    ),
    "unbijectable": (
        numbers(sphere),
        IAF,
        "trace",
        "'z' is global and unbijectable",
        "Use a guide for global unbijectable latents.",
    ),
    "no guide": (
        case("ppca"),
        Empty,
        "trace",
        "Empty covers no latents; 'z' is local and continuous",
        "Use a guide for local continuous latents.",
    ),
    "nothing to sum": (
        case("ppca"),
        AmortisedNormal,
        "enumerate",
        "sums out finite discrete latents; the model has none among ('z',)",
        "Use trace.",
    ),
    "all summed already": (
        case("bernoulli_latent"),
        AmortisedNormal,
        "enumerate",
        "the model has none besides ['z'], which the objective sums out",
        "Use a guide for discrete latents, or Empty",
    ),
    "not reparameterised": (
        case("bernoulli_latent"),
        AmortisedDiscrete,
        "mean_field",
        "differentiates through the draws of 'z'; those of AmortisedDiscrete are not",
        "Use a relaxed guide, or an objective with a score-function term: trace_graph.",
    ),
    "nothing for a baseline": (
        case("ppca"),
        AmortisedNormal,
        "nvil",
        "puts baselines on draws that are not reparameterised; those of AmortisedNormal all are",
        "Use trace, or trace_graph without baselines.",
    ),
    "joint, where factors are wanted": (
        case("eight_schools"),
        IAF,
        "mean_field",
        "takes each latent's KL term in closed form; IAF draws all latents jointly",
        "Use a factorised guide, or trace.",
    ),
    "the same for Pyro's own": (
        case("eight_schools"),
        IAF,
        TraceMeanField_ELBO(),
        "takes each latent's KL term in closed form; IAF draws all latents jointly",
        "Use a factorised guide, or trace.",
    ),
    "sums at two levels": (
        numbers(two_levels),
        Empty,
        "enumerate",
        "'own' belongs to a row and 'common' is shared",
        "Use Pyro's TraceEnum_ELBO, which sums over both.",
    ),
    "score of relaxed draws": (
        case("bernoulli_latent"),
        Relaxed,
        "rloo",
        "multiplies the score of draws that are held constant; Relaxed relaxes them",
        "Use a discrete guide, or trace.",
    ),
    "continuous, where bits are flipped": (
        case("ppca"),
        AmortisedNormal,
        "disarm",
        "DisARM takes binary latents; 'z' has support",
        "Use rloo, which takes any.",
    ),
    "dependent, where bits are flipped": (
        case("sigmoid_belief"),
        AmortisedLayers,
        "disarm",
        "DisARM moves each latent on its own; AmortisedLayers draws one given another",
        "Use rloo, or a guide whose latents are independent given the data.",
    ),
    "relaxed, where values are summed": (
        case("bernoulli_latent"),
        Relaxed,
        "enumerate",
        "sums over the values of 'z'; Relaxed replaces them by continuous ones",
        "Use a discrete guide, or trace.",
    ),
}


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


def test_every_rule_has_a_case():
    """Each function of the module that can return a sentence does so in some case above."""
    checks = {
        name
        for name, function in vars(zoo.pairing).items()
        if inspect.isfunction(function)
        and function.__module__ == zoo.pairing.__name__
        and inspect.signature(function).return_annotation == str | None
    }
    hit = {"mismatch", "_shared_weights"}  # the latter in the test below
    for (model, args), guide, objective, _, _ in RULES.values():
        given = {
            "latents": zoo.describe(model, *args),
            "family": zoo.pairing._family(guide),
            "objective": as_objective(objective),
        }
        for name in checks - hit:
            rule = getattr(zoo.pairing, name)
            asked = {argument: given[argument] for argument in inspect.signature(rule).parameters}
            hit |= {name} if rule(**asked) else set()
    assert hit == checks


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


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("model", MODELS)
def test_the_table_of_what_goes_together(model, guide, objective):
    made, args = MODEL_CASES[model].make()
    sentence = mismatch(zoo.describe(made, *args), GUIDES[guide], OBJECTIVES[objective])
    assert (sentence is None) == (objective in ALLOWED[model].get(guide, set())), sentence


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
    source = inspect.getsource(zoo.pairing)
    families = {getattr(guide, "func", guide).__name__ for guide in GUIDES.values()} - {"Empty"}
    models = {type(MODEL_CASES[name].build()).__name__ for name in MODELS}
    for name in families | models | set(MODELS):
        assert name not in source
    imported = {name for name in vars(zoo.pairing) if not name.startswith("_")}
    assert not imported & (families | models | {"Empty"})
