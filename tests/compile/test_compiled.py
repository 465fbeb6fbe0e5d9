"""Machine code: the compiled block is the captured program, and a fit on it behaves as a fit."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import MODEL_CASES, guide_of
from cases_compiled import FAST, SLOW
from cases_pairs import ALLOWED
from small_tasks import ppca_task
from steps import EXACT, equal, interpreted

import zoo
from guides import GUIDES, AmortisedNormal, MeanField
from zoo.compile.step_loop import BLOCK
from zoo.isolation import isolated
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES
from zoo.optim.schedules import Cosine, Linear
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.task import given
from zoo.training.compiled_trainer import CompiledTrainer
from zoo.training.run import prepare

COVERING = [pytest.param(*case) for case in FAST]
COVERING += [pytest.param(*case, marks=pytest.mark.slow) for case in SLOW]
STEPS = 6


def test_what_is_compiled_covers_the_tables():
    cases = FAST + SLOW
    models, guides, objectives = (set(column) for column in list(zip(*cases, strict=True))[:3])
    assert (models, guides, objectives) == (set(MODELS), set(GUIDES), set(OBJECTIVES))
    for objective in objectives:
        on = {model for model, _, name, _ in cases if name == objective}
        suit = [m for m, pairs in ALLOWED.items() if any(objective in o for o in pairs.values())]
        assert len(on) >= min(2, len(suit)), objective
    assert all(objective in ALLOWED[model][guide] for model, guide, objective, _ in cases)


def trainers(model, guide, objective, settings, replicas=1):
    made, args = MODEL_CASES[model].make()
    for seed in range(replicas):
        torch.manual_seed(seed)
        asked = Settings(OBJECTIVES[objective], 1, Update(lr=0.02, **settings), None, seed)
        yield prepare(given(made, args), guide_of(guide), asked, "cpu", None).trainer


def run_block(*plain, seed=7):
    """Losses and state after STEPS steps in one block, with torch's own random numbers."""
    with torch._inductor.config.patch(fallback_random=True):
        compiled = CompiledTrainer(*plain)
        torch.manual_seed(seed)
        losses = compiled.advance(STEPS)
    lead = losses.shape[:-1]
    vectors = (compiled.state.parts, *compiled.state.moments)
    joined = [torch.cat([p.reshape(*lead, -1) for p in parts], dim=-1) for parts in vectors]
    named = {"losses": losses} | {f"vector {i}": value for i, value in enumerate(joined)}
    return named | {f"held {i}": value for i, value in enumerate(compiled.state.held)}


@pytest.mark.thin(3)
@pytest.mark.parametrize(("model", "guide", "objective", "settings"), COVERING)
def test_the_compiled_block_is_the_program_step_by_step(
    model, guide, objective, settings, monkeypatch
):
    with isolated(seed=0):
        compiled = run_block(*trainers(model, guide, objective, settings))
        monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
        plain = run_block(*trainers(model, guide, objective, settings))
        other = run_block(*trainers(model, guide, objective, settings), seed=8)
    assert equal(compiled, plain, 100 * EXACT)  # after STEPS updates
    exact = (model, objective) == ("bernoulli_latent", "layer_sum")  # nothing is drawn
    exact |= objective == "enumerate"
    assert exact or not torch.equal(plain["losses"], other["losses"])


@pytest.mark.thorough
def test_compiled_replicas_are_the_program_step_by_step(monkeypatch):
    make = partial(trainers, "eight_schools", "mean_field", "trace", {"clip_norm": 9.0}, 3)
    with isolated(seed=0):
        compiled = run_block(*make())
        monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
        plain = run_block(*make())
    assert equal(compiled, plain, 100 * EXACT)


@pytest.mark.thorough
@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize(("small", "tiny"), [(0, 0), (2**17, 0), (2**17, 2**17)])
def test_however_the_parameters_are_laid_out(small, tiny, replicas, monkeypatch):
    """One tensor each, one vector, or one vector with the averages of the optimizer."""
    settings = {"clip_norm": 5.0, "lr_schedule": Cosine(9)}
    make = partial(trainers, "eight_schools", "full_rank", "trace", settings, replicas)
    monkeypatch.setattr("zoo.compile.step_loop.SMALL", small)
    monkeypatch.setattr("zoo.compile.step_loop.TINY", tiny)
    with isolated(seed=0):
        compiled = run_block(*make())
        monkeypatch.undo()
        monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
        plain = run_block(*make())
    assert equal(compiled, plain, 100 * EXACT)


# Fits on the compiled path


def shifted(x):
    """A small model that compiles fast, with rows."""
    mean = pyro.sample("mean", dist.Normal(0.0, 3.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


X = torch.linspace(0.0, 2.0, 8)
fit_shifted = partial(zoo.fit, shifted, MeanField, X, compile=True)


def same(first, second):
    assert torch.equal(first.losses, second.losses)
    assert torch.equal(first.last["random"], second.last["random"])
    states = first.program.state_dict(), second.program.state_dict()
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.thorough
def test_a_compiled_fit_from_its_seed_whole_and_in_parts(monkeypatch):
    """Reproducible, resumable and cut into any blocks: the same numbers bit for bit."""
    steps = BLOCK + 30
    before = torch._inductor.config.cpp_wrapper, torch.get_rng_state()
    whole = fit_shifted(steps=steps, seed=3)
    assert (whole.backend, whole.backend_reason, whole.stopped) == (
        "compiled",
        "asked for",
        "finished",
    )
    assert 0 < whole.build_seconds <= whole.seconds
    assert whole.losses.shape == (steps,)
    assert whole.losses.isfinite().all()
    torch.randn(9)
    assert same(whole, fit_shifted(steps=steps, seed=3))
    half = fit_shifted(steps=77, seed=3)
    assert torch.equal(half.losses, whole.losses[:77])
    assert same(whole, fit_shifted(steps=steps, seed=3, resume=half))
    monkeypatch.setattr("zoo.training.compiled_trainer.BLOCK", 9)
    assert same(whole, fit_shifted(steps=steps, seed=3))
    assert torch._inductor.config.cpp_wrapper == before[0]
    torch.set_rng_state(before[1])
    start, end = whole.losses[:50], whole.losses[-50:]
    assert start.mean() - end.mean() > 5 * (start.var() / 50 + end.var() / 50).sqrt()


@pytest.mark.thorough
def test_a_process_may_compile_any_number_of_fits():
    """The compiler gives up on code that it has compiled often; each block is code of its own."""
    with torch._dynamo.config.patch(recompile_limit=1):
        assert [fit_shifted(steps=3, seed=seed).backend for seed in range(3)] == ["compiled"] * 3


@pytest.fixture
def uncompiled(monkeypatch):
    """What does not depend on the code generator goes without it."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)


compiled_ppca = partial(zoo.fit, guide=AmortisedNormal, compile=True)


@pytest.mark.thorough
def test_early_stopping(uncompiled):
    task, settings = ppca_task(rows=6, features=5, latent=4), {"lr": 0.05, "seed": 2}
    stopped = compiled_ppca(task, steps=1500, patience=3, valid_every=10, **settings)
    taken, losses = zip(*stopped.valid, strict=True)
    assert (stopped.backend, stopped.stopped) == ("compiled", "early")
    assert taken == tuple(range(10, len(stopped.losses) + 1, 10))
    assert len(losses) - 1 - losses.index(min(losses)) == 3
    best = compiled_ppca(task, steps=taken[losses.index(min(losses))], **settings)
    assert all(torch.equal(v, best.last["program"][k]) for k, v in stopped.best.items())


@pytest.mark.thorough
@pytest.mark.parametrize("at", [1, 2, 4])
def test_an_interrupt_between_blocks(uncompiled, monkeypatch, at):
    advance, calls = CompiledTrainer.advance, []

    def interrupted(self, count):
        calls.append(count)
        if len(calls) == at:
            raise KeyboardInterrupt
        return advance(self, count)

    whole = compiled_ppca(ppca_task(), steps=20, batch_size=8)
    monkeypatch.setattr(CompiledTrainer, "advance", interrupted)
    broken = compiled_ppca(ppca_task(), steps=20, batch_size=8)
    monkeypatch.undo()
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    assert broken.stopped == "interrupted"
    assert len(broken.losses) == broken.last["step"] == sum(calls[:-1])
    assert torch.equal(broken.losses, whole.losses[: len(broken.losses)])
    resumed = compiled_ppca(ppca_task(), steps=20, batch_size=8, resume=broken)
    assert same(resumed, whole)


def test_divergence(uncompiled):
    with pytest.raises(zoo.DivergenceError, match="not finite at step") as caught:
        compiled_ppca(ppca_task(), steps=300, optimizer="sgd", lr=1e3)
    kept = caught.value.fit
    assert (kept.backend, kept.stopped) == ("compiled", "diverged")
    assert len(kept.losses) == kept.last["step"] <= caught.value.step
    assert kept.losses.isfinite().all()
    assert all(value.isfinite().all() for value in kept.program.state_dict().values())
    assert all(value.isfinite().all() for value in kept.last["program"].values())


@pytest.mark.thorough
def test_settings_reach_the_compiled_steps(uncompiled):
    """Each setting changes the numbers, under one seed."""
    variants = [
        {},
        {"lr_schedule": Cosine(9)},
        {"kl_weight": Linear(0.0, 1.0, 9)},
        {"clip_norm": 0.5},
        {"optimizer": "adamw", "weight_decay": 0.5},
        {"batch_size": 8},
        {"freeze_model": True},
        {"lr": 0.1},
    ]
    losses = [compiled_ppca(ppca_task(), steps=5, **each).losses for each in variants]
    for i in range(len(losses)):
        assert all(not torch.equal(losses[i], losses[j]) for j in range(i))
