"""Every model with every guide and every objective: a sentence, or a finite loss and gradient."""

import pytest
import torch
from cases import MODEL_CASES, built, guide_of, step_of

from guides import GUIDES
from zoo.latents import describe
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES
from zoo.pairing import PairingError, mismatch


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("model", MODELS)
def test_a_sentence_or_a_finite_gradient(model, guide, objective, device):
    made, args = MODEL_CASES[model].make(device)
    family, loss = guide_of(guide), OBJECTIVES[objective]
    sentence = mismatch(describe(made, *args), family, loss)
    if sentence is not None:
        with pytest.raises(PairingError) as caught, built(made, family, loss, args, device=device):
            pass
        assert str(caught.value) == sentence
        return
    with built(made, family, loss, args, device=device) as program:
        value, grads = step_of(program, args)
        assert value.shape == ()
        assert torch.isfinite(value)
        assert all(grad.isfinite().all() for grad in grads.values())
        own = {name for name, _ in program.named_parameters()}
        dead = {name for name in own - set(grads)}
        assert not dead
        assert any(grad.abs().max() > 0 for grad in grads.values())
        assert {p.device.type for p in program.parameters()} == {device}
