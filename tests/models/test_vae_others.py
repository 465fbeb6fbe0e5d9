"""Autoencoders besides `vae` put together from random parts, with random guides and objectives."""

import random
import re
from dataclasses import replace
from itertools import product

import pytest
import torch
from cases import step_of
from steps import a_capture, equal_on_fresh_inputs
from test_vae_parts import tiny

import zoo
from guides import GUIDES
from zoo.decoders import DECODERS
from zoo.isolation import isolated
from zoo.likelihoods import LIKELIHOODS
from zoo.models import MODELS
from zoo.models.parts import Parts
from zoo.objectives import OBJECTIVES
from zoo.pairing.mismatch import mismatch
from zoo.priors import PRIORS

OTHERS = ("dequantised_vae", "dlgm", "flow_vae", "hvae", "multimodal_vae", "self_vae")
OTHERS += ("draw", "draw_attention")
OTHERS += ("hyperspherical_vae", "hyperbolic_vae")
OTHERS += ("semi_supervised_vae",)
NOISY = [(name, None) for name, choice in LIKELIHOODS.items() if choice.dequantises]
OF_VIEWS = ("multimodal_vae", "semi_supervised_vae")  # whose rows no network recognises whole
CHOICES = {
    "prior": PRIORS,
    "likelihood": LIKELIHOODS,
    "decoder": DECODERS,
    "latent": (2, 3),
    "groups": ((3,), (2, 3), (2, 1, 3)),
}
REFUSED = {  # likelihood and decoder
    **dict.fromkeys(
        ("hvae", "dlgm", "hyperspherical_vae", "hyperbolic_vae", "draw", "draw_attention"), NOISY
    ),
    "dequantised_vae": [(None, "nade"), (None, "pixel")],
    "flow_vae": [(None, "nade"), (None, "pixel")],
}


def other(model, generator):
    """Random parts that go together, each that the model has one; data for them."""
    names = {name: generator.choice(list(CHOICES[name])) for name in MODELS[model].parts.given}
    refused = tuple(names.get(part) for part in ("likelihood", "decoder")) in REFUSED.get(
        model, ()
    )
    uneven = model.startswith("draw") and len(set(names["groups"])) > 1
    if refused or uneven or (model in OF_VIEWS and names.get("prior") == "vamp"):
        return other(model, generator)
    return Parts(**names), data_for(model, names.get("likelihood"))


def data_for(model, likelihood):
    if model == "multimodal_vae":
        views = tiny(2, image=(2, 4))
        (x,) = views.train
        return replace(
            views, train=(x, x[:, :3], torch.ones(len(x), 2)), labels=("x", "y", "seen")
        )
    if model == "semi_supervised_vae":
        pictures = tiny(2, image=(2, 4))
        (x,) = pictures.train
        known = torch.arange(len(x))[:, None] % 2.0
        rows = x, known * torch.eye(3)[torch.arange(len(x)) % 3], known
        return replace(pictures, train=rows, labels=("x", "label", "labelled"))
    grey = model in ("dequantised_vae", "flow_vae")
    takes = LIKELIHOODS[likelihood or ("categorical" if grey else "bernoulli")].takes
    return tiny(2 if takes == "bits" else 4, image=(2, 4))


@pytest.mark.parametrize(
    ("model", "likelihood", "decoder"),
    [(model, *parts) for model, refused in REFUSED.items() for parts in refused],
)
def test_a_density_of_levels_with_noise_is_refused(model, likelihood, decoder):
    usual = MODELS[model].parts
    parts = Parts(likelihood=likelihood, decoder=decoder).over(model, {model: usual})
    with pytest.raises(ValueError, match=r"is a density of levels with noise; .* Use .*\."):
        MODELS[model].make(data_for(model, likelihood), parts)


@pytest.mark.thin(6)
@pytest.mark.parametrize(
    ("model", "seed"),
    [
        pytest.param(model, seed, marks=() if seed == 0 else pytest.mark.slow)
        for model in OTHERS
        for seed in range(12)
    ],
)
def test_other_autoencoders_of_random_parts(model, seed):
    """Random guides and objectives: a sentence, or a finite step, captured as it is."""
    generator = random.Random(f"{model} {seed}")
    parts, data = other(model, generator)
    with isolated(seed=2):
        made = MODELS[model].make(data, parts)
    latents = zoo.describe(made, *data.train)
    said = {
        (guide, objective): mismatch(latents, GUIDES[guide], OBJECTIVES[objective])
        for guide, objective in product(GUIDES, OBJECTIVES)
    }
    guide, objective = generator.choice([pair for pair in said if said[pair] is None])
    kind = GUIDES[guide], data.train, OBJECTIVES[objective]
    with a_capture(made, *kind) as (captured, program, rows):
        loss, gradients = step_of(program, data.train)
        assert loss.isfinite(), (guide, objective)
        assert all(g.isfinite().all() for g in gradients.values()), (guide, objective)
        assert equal_on_fresh_inputs(captured, program, rows, steps=(9.0,), move=0.01)
    guide, objective = generator.choice([pair for pair in said if said[pair]])
    with pytest.raises(zoo.PairingError, match=re.escape(said[guide, objective])):
        zoo.fit(made, GUIDES[guide], *data.train, objective=objective, steps=1, device="cpu")
