"""Monte Carlo diffusion: an annealed chain at the start, and a higher bound after training."""

from functools import partial

import pytest
import torch
from cases import ERRORS, IDENTITY, MODEL_CASES, built, relative_error, scatter, step_of
from chains import (
    DRAWS,
    compare_with_evidence,
    correlated,
    mean_and_error,
    set_chain,
)
from joint import close

from guides import Annealed, Diffusion
from zoo.isolation import isolated
from zoo.objectives import IWAE, Trace
from zoo.program import build
from zoo.sampling.importance_weights import weight_chunks


@pytest.mark.parametrize("objective", [Trace(3), IWAE(4)], ids=str)
def test_before_training_a_diffusion_is_the_annealed_chain(objective):
    """With the same weights and noise: the same loss and gradients."""
    made, args = MODEL_CASES["eight_schools"].make()
    with built(made, partial(Annealed, bridges=3), objective, args) as program:
        loss, grads = step_of(program, args)
        state = program.guide.state_dict()
    with built(made, partial(Diffusion, bridges=3), objective, args) as program:
        left, unknown = program.guide.load_state_dict(state, strict=False)
        assert not unknown
        assert left
        assert all("correction" in name for name in left)
        torch.nn.init.zeros_(program.guide.chain.correction.last.weight)
        torch.nn.init.zeros_(program.guide.chain.correction.last.bias)
        found, ours = step_of(program, args)
    close(found, loss)
    assert all(relative_error(ours[name], grad) < IDENTITY for name, grad in grads.items())
    assert ours["guide.chain.correction.last.weight"].abs().max() > 0


def test_a_diffusion_starts_without_a_correction():
    with isolated(seed=0):
        guide = build(correlated, Diffusion, Trace(), ()).guide
    correction = guide.chain.correction
    assert not correction(0, torch.randn(5, 2), torch.randn(5, 2)).any()
    assert (
        build(correlated, partial(Diffusion, bridges=1), Trace(), ()).guide.chain.correction
        is None
    )


def test_any_way_back_gives_a_bound():
    """The mean weight is the evidence under a network of random weights."""
    with isolated(seed=0), torch.no_grad():
        program = build(correlated, Diffusion, Trace(), ())
        program.guide.start_at(torch.zeros(2), 1.2 * torch.eye(2))
        set_chain(program.guide, step=0.4, kept=0.6)
        scatter(program.guide.chain.correction, spread=0.2)
        log_w = torch.cat(list(weight_chunks(program, (), DRAWS)), dim=1)[:, 0]
    compare_with_evidence(log_w, torch.zeros(()))


@pytest.mark.exhaustive
def test_a_trained_way_back_raises_the_bound_of_one_chain():
    """The chain is held, from a wide start; draws are the same before and after."""
    with isolated(seed=0):
        program = build(correlated, Diffusion, Trace(32), ())
        program.guide.start_at(torch.zeros(2), torch.eye(2))
        set_chain(program.guide, step=0.3, kept=0.6)
        found = []
        adam = torch.optim.Adam(program.guide.chain.correction.parameters(), 0.02)
        for steps in (0, 150):
            for _ in range(steps):
                adam.zero_grad()
                program.backward(torch.zeros(()), None)
                adam.step()
            with isolated(seed=1), torch.no_grad():
                found.append(torch.cat(list(weight_chunks(program, (), DRAWS)), dim=1)[:, 0])
    gain, error = mean_and_error(found[1] - found[0])
    assert gain > ERRORS * error
    bound, error = mean_and_error(found[1])
    assert bound < -ERRORS * error
