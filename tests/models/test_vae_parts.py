"""Autoencoders put together from parts: any prior, likelihood, decoder, guide and objective."""

import copy
import random
import re
from itertools import product

import pytest
import torch
from cases import AUTODIFF, IDENTITY, MODEL_CASES, built, scatter, step_of
from steps import a_capture, equal_on_fresh_inputs
from test_likelihoods import CONTINUOUS, DISCRETE
from test_priors import SMALL
from torch import nn
from torch.distributions import Bernoulli, Normal

import zoo
from guides import GUIDES, AmortisedNormal, SharedEncoder
from zoo.data import keep
from zoo.data.data import Data
from zoo.decoders import DECODERS, relu_decoder
from zoo.isolation import isolated
from zoo.likelihoods import LIKELIHOODS, BernoulliLikelihood
from zoo.models.parts import Parts, check_likelihood
from zoo.models.vaes.vae import VAE, from_parts
from zoo.objectives import OBJECTIVES, StickingTheLanding, Trace, WakeSleep
from zoo.pairing.mismatch import mismatch
from zoo.priors import PRIORS
from zoo.task import given

IMAGE, FEATURES = (2, 3), 6
UNSUITED = {("dequantised", "nade"), ("dequantised", "pixel")}  # a density, decoder that counts


def tiny(levels, image=IMAGE):
    """Small pictures of so many grey levels."""
    with isolated(seed=4):
        x = torch.randint(0, levels, (5, image[0] * image[1])).double() / (levels - 1)
    return Data(
        name="tiny",
        train=(x,),
        valid=(),
        test=(),
        rowwise=True,
        image=image,
        observe=keep,
        labels=("x",),
        binarize="none",
        seed=0,
        hash="",
        levels=levels,
    )


def suits(likelihood, decoder):
    return (likelihood, decoder) not in UNSUITED


def chosen(count, seed=0):
    """Combinations at random, and of every part one at least."""
    generator = random.Random(seed)
    parts = [p for p in product(PRIORS, LIKELIHOODS, DECODERS) if suits(*p[1:])]
    found = generator.sample(parts, count)
    for i, table in enumerate((PRIORS, LIKELIHOODS, DECODERS)):
        missing = set(table) - {combination[i] for combination in found}
        found += [generator.choice([p for p in parts if p[i] == name]) for name in sorted(missing)]
    return found


@pytest.mark.thin(12)
@pytest.mark.parametrize("names", chosen(20), ids="-".join)
def test_any_parts_with_any_guide_and_objective(names):
    """A sentence, or a finite loss and gradients; four guides and objectives for each."""
    data = tiny(2 if LIKELIHOODS[names[1]].takes == "bits" else 4)
    with isolated(seed=2):
        model = from_parts(data, Parts(*names, latent=3))
    latents = zoo.describe(model, *data.train)
    generator = random.Random("-".join(names))
    pairs = [
        (guide, objective)
        for guide, objective in product(GUIDES, OBJECTIVES)
        if mismatch(latents, GUIDES[guide], OBJECTIVES[objective]) is None
    ]
    assert len(pairs) > 50
    for guide, objective in generator.sample(pairs, 4):
        with built(model, GUIDES[guide], OBJECTIVES[objective], data.train) as program:
            loss, gradients = step_of(program, data.train)
        assert loss.isfinite(), (guide, objective)
        assert all(g.isfinite().all() for g in gradients.values()), (guide, objective)
        assert any(g.any() for g in gradients.values()), (guide, objective)


def with_prior(name):
    with isolated(seed=3):
        prior = SMALL[name](3, features=FEATURES) if name == "vamp" else SMALL[name](3)
        return VAE(relu_decoder(3, FEATURES, 1, hidden=(8,)), BernoulliLikelihood(), prior)


def with_likelihood(name):
    likelihood, levels = DISCRETE.get(name, (CONTINUOUS.get(name), 5))
    with isolated(seed=3):
        decoder = relu_decoder(3, FEATURES, likelihood.numbers, hidden=(8,))
        return VAE(decoder, likelihood, SMALL["standard"](3)), levels


@pytest.mark.thin(6)
@pytest.mark.parametrize("name", SMALL)
def test_the_captured_step_with_a_prior_is_the_plain_one(name):
    """Dreams, so that the prior is drawn from as well as scored."""
    with a_capture(with_prior(name), AmortisedNormal, tiny(2).train, WakeSleep()) as parts:
        assert equal_on_fresh_inputs(*parts)


@pytest.mark.thin(6)
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_captured_step_with_a_likelihood_is_the_plain_one(name):
    model, levels = with_likelihood(name)
    with a_capture(model, AmortisedNormal, tiny(levels).train, WakeSleep()) as parts:
        assert equal_on_fresh_inputs(*parts)


def shared(objective):
    """The small VampPrior model with the guide that shares its network, and its rows."""
    model, args = MODEL_CASES["vae"].make()
    return built(model, SharedEncoder, objective, args), args


def test_the_shared_network_belongs_to_the_model_alone():
    build, (x,) = shared(Trace())
    with build as program:
        assert not list(program.guide.parameters())
        names = [name for name, _ in program.named_parameters(remove_duplicate=False)]
        assert len(names) == len(set(names)) == len(list(program.parameters()))
        _, gradients = step_of(program, (x,))
        assert set(gradients) == set(names)
        assert all(gradient.any() for gradient in gradients.values())
        other = copy.deepcopy(program)
        assert other.guide.model[0] is other.model
        assert other.model is not program.model


@pytest.mark.parametrize("objective", [Trace(), StickingTheLanding()])
def test_the_gradient_through_a_shared_network_is_that_of_the_bound(objective):
    """log p(x | z) + log r(z) - log q(z | x), written out; the last held constant in sticking."""
    build, (x,) = shared(objective)
    with build as program:
        loss, gradients = step_of(program, (x,), seed=7)
        torch.manual_seed(7)
        model = program.model
        loc, scale = model.prior.recognise(x)
        z = loc + scale * torch.randn_like(loc)
        held = (loc, scale) if isinstance(objective, Trace) else (loc.detach(), scale.detach())
        outputs = model.decoder(z).squeeze(-1)
        expected = (
            Bernoulli(logits=outputs).log_prob(x).sum()
            + model.prior().log_prob(z).sum()
            - Normal(*held).log_prob(z).sum()
        )
        named = {name: p for name, p in program.named_parameters()}
        exact = torch.autograd.grad(-expected, list(named.values()))
    assert (loss + expected).abs() < IDENTITY * loss.abs()
    for name, gradient in zip(named, exact, strict=True):
        assert (gradients[name] - gradient).abs().max() < AUTODIFF * gradient.abs().max(), name


def test_a_shared_network_cannot_be_held_and_trained():
    model, args = MODEL_CASES["vae"].make()
    with pytest.raises(ValueError, match="SharedEncoder has no parameters besides the model's"):
        zoo.fit(model, SharedEncoder, *args, steps=1, freeze_model=True, device="cpu")


def test_a_shared_network_needs_a_model_that_has_one():
    model, args = MODEL_CASES["bernoulli_vae"].make()
    sentence = mismatch(zoo.describe(model, *args), SharedEncoder, Trace())
    assert "uses the model's own recognition network; this model has none" in sentence
    with pytest.raises(ValueError, match="this model has none"):
        SharedEncoder(zoo.describe(model, *args), model)


def test_an_encoder_mirrors_the_decoder_and_its_gates():
    task = zoo.load("vae", prior="vamp", decoder="gated")
    found = zoo.describe(task.build(), task.data.train[0][:4])
    assert (found.hidden, found.activation) == ((300, 300), nn.GLU)
    layers = AmortisedNormal(found).encoder.body
    widths = [(part.in_features, part.out_features) for part in layers if hasattr(part, "weight")]
    assert widths == [(64, 600), (300, 600)]


@pytest.mark.parametrize("guide", ["shared", "amortised_normal"])
def test_a_saved_fit_remembers_its_parts(guide, tmp_path):
    task = zoo.load("vae", prior="vamp", decoder="gated", latent=3, binarize="threshold")
    first = zoo.fit(task, GUIDES[guide], steps=2, device="cpu")
    again = zoo.load_fit(zoo.save(first, tmp_path / "run"), device="cpu")
    assert again.task.parts == task.parts == Parts("vamp", "bernoulli", "gated", 3)
    ours, theirs = first.program.state_dict(), again.program.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize("model", ["bernoulli_vae", "gaussian_vae"])
def test_the_plain_models_take_a_prior(model):
    task = zoo.load(model, prior="mixture", latent=4)
    made = task.build()
    assert type(made.prior).__name__ == "MixturePrior"
    assert zoo.describe(made, task.data.train[0][:3])["z"].event_shape == (4,)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            {"model": "eight_schools", "prior": "vamp"},
            "eight_schools has no option prior; got 'vamp'",
        ),
        ({"model": "bernoulli_vae", "decoder": "mlp"}, "no option decoder; got 'mlp'"),
        ({"model": "vae", "prior": "vam"}, "No prior named 'vam'. Did you mean 'vamp'?"),
        (
            {"model": "vae", "latent": 0},
            "Expected latent to be a whole number from 1 to 100000; got 0",
        ),
        (
            {"model": "vae", "binarize": "none"},
            "takes pixels of 0 and 1; data 'digits' with binarize='none' hold 17 grey levels",
        ),
        (
            {"model": "vae", "data": "factor_analysis", "likelihood": "categorical"},
            "takes grey levels; data 'factor_analysis' hold real numbers",
        ),
        (
            {"model": "vae", "likelihood": "dequantised", "decoder": "nade"},
            "Likelihood 'dequantised' is a density of levels with noise; decoder 'nade' reads",
        ),
        (
            {"model": "flow_vae", "decoder": "nade"},
            "Likelihood 'realnvp' is a density of levels with noise; decoder 'nade' reads",
        ),
        (
            {"model": "flow_vae", "decoder": "pixel"},
            "Likelihood 'realnvp' is a density of levels with noise; decoder 'pixel' reads",
        ),
        (
            {"model": "multimodal_vae", "prior": "vamp"},
            "a row of multimodal_vae has two views, either of which may be missing. Use prior",
        ),
        ({"model": "hyperspherical_vae", "latent": 1}, "Expected latent of 2 coordinates or more"),
        (
            {"model": "semi_supervised_vae", "prior": "vamp"},
            "a row of semi_supervised_vae is a picture and a label that may be missing. Use prior",
        ),
        (
            {"model": "hvae", "likelihood": "dequantised"},
            "Likelihood 'dequantised' is a density of levels with noise; hvae draws none",
        ),
    ],
)
def test_what_does_not_go_together_is_said(asked, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        zoo.load(**asked).build()


def test_grey_likelihoods_take_grey_data_unless_told_otherwise():
    assert zoo.load("vae").data.levels == 2
    assert zoo.load("vae", likelihood="categorical").data.levels == 17
    assert zoo.load("vae", likelihood="categorical", binarize="threshold").data.levels == 2
    check_likelihood("gaussian", zoo.load("vae").data)


def test_a_wrong_width_is_refused():
    model = with_prior("mixture")
    scatter(model)
    with pytest.raises(ValueError, match=r"Expected x of shape \(5, 6\); got \(5, 1\)"):
        model(torch.zeros(5, 1))


def test_the_usual_guide_shares_the_encoder_of_a_vampprior():
    assert zoo.load("vae").usual_guide == "amortised_normal"
    assert zoo.load("vae", prior="vamp").usual_guide == "shared"
    assert zoo.load("hvae", prior="vamp").usual_guide == "top_down"
    assert zoo.load("self_vae", prior="vamp").usual_guide == "amortised_normal"
    with pytest.raises(ValueError, match=r"is no model of the zoo; name a guide"):
        _ = given(lambda x: None, (torch.ones(2),)).usual_guide
