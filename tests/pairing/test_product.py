"""Every model with every guide and every objective: a sentence, or a finite loss and gradient."""

import pytest
import torch
from cases import MODEL_CASES, built, guide_of, step_of
from cases_objectives import OBJECTIVE_CASES
from cases_pairs import ALLOWED

from guides import GUIDES
from zoo.latents import describe
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES
from zoo.pairing.mismatch import PairingError, mismatch


@pytest.mark.thin(13, 2)
@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("model", MODELS)
def test_a_sentence_or_a_finite_gradient(model, guide, device):
    made, args = MODEL_CASES[model].make(device)
    latents, family = describe(made, *args), guide_of(guide)
    taken = {name for name, o in OBJECTIVES.items() if mismatch(latents, family, o) is None}
    assert taken == ALLOWED[model].get(guide, set())
    for name in sorted(taken):
        with built(made, family, OBJECTIVES[name], args, device=device) as program:
            faults = found_wrong(program, args, device, OBJECTIVE_CASES[name].leaves)
        assert not faults, f"{name}: {faults}"


def found_wrong(program, args, device, leaves):
    """Names of what is wrong with one step, whose loss depends on all but `leaves`."""
    value, grads = step_of(program, args)
    own = {name for name, _ in program.named_parameters()}
    own -= set(leaves) - set(grads)
    learns = any(True for _ in program.parameters())  # else all is summed, and nothing is trained
    claims = {
        "the loss is a finite number": value.shape == () and torch.isfinite(value),
        "gradients are finite": all(grad.isfinite().all() for grad in grads.values()),
        "some gradient is not 0": any(g.abs().max() > 0 for g in grads.values()) is learns,
        "every parameter has one": own == set(grads),
        "all is on the device": {p.device.type for p in program.parameters()} <= {device},
    }
    return [claim for claim, holds in claims.items() if not holds]


@pytest.mark.thin(41, 4)
@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("model", MODELS)
def test_what_is_refused_is_not_built(model, guide, device):
    """By the same sentence; one of each is enough, as the rule comes before anything is made."""
    made, args = MODEL_CASES[model].make(device)
    latents, family = describe(made, *args), guide_of(guide)
    sentences = {mismatch(latents, family, o): o for o in OBJECTIVES.values()}
    for sentence, objective in sentences.items():
        if sentence is not None:
            with (
                pytest.raises(PairingError) as caught,
                built(made, family, objective, args, device=device),
            ):
                pass
            assert caught.value.sentence == sentence
