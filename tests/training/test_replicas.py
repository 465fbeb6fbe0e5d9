"""Replicas side by side: each is the fit that its seed and learning rate make, and no other."""

import math
from itertools import combinations

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import AUTODIFF, ERRORS, MODEL_CASES, flat
from small_tasks import causes_task, ppca_task
from steps import a_capture, equal, interpreted
from test_capture import closure_model
from test_fit import broken_gradient
from torch.func import functionalize
from torch.utils._pytree import tree_leaves, tree_map

import zoo
from guides import AmortisedDiscrete, AmortisedNormal, MeanField
from zoo.compile.loop_tensors import Inputs, State
from zoo.compile.noise import draw_noise, noise_of_steps
from zoo.compile.step_loop import BLOCK, rates_of, step_with_update
from zoo.objectives import DecayingAverage, Trace, TraceGraph
from zoo.optim.update import Update

REPLICAS = 16


@pytest.fixture
def uncompiled(monkeypatch):
    """The same program without the code generator, which other tests cover."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)


def fits(task=None, guide=AmortisedNormal, *, steps=12, replicas=3, **settings):
    task = task or ppca_task()
    return zoo.fit(task, guide, steps=steps, replicas=replicas, compile=True, **settings)


def equal_fits(first, second):
    assert torch.equal(first.losses, second.losses)
    states = first.program.state_dict(), second.program.state_dict()
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())


# Noise: each replica has its own


def test_replicas_have_noise_of_their_own():
    made, args = MODEL_CASES["bernoulli_vae"].make(rows=40)
    with a_capture(made, AmortisedNormal, args, Trace(4)) as (captured, _, _):
        noise = draw_noise(captured.noise, REPLICAS)
    vectors = torch.cat([value.reshape(REPLICAS, -1) for value in noise], dim=1)
    size = vectors.shape[1]
    assert size == 4 * 40 * 3
    correlation = torch.corrcoef(vectors)
    for i, j in combinations(range(REPLICAS), 2):
        assert not torch.equal(vectors[i], vectors[j])
        assert correlation[i, j].abs() < ERRORS / math.sqrt(size)


def test_drawing_under_vmap_gives_all_replicas_the_same_or_fails():
    """Why noise is an input: this is what would happen without."""

    def naive(x):
        return x + torch.empty(3).normal_()

    with pytest.raises(RuntimeError, match="vmap: called random operation"):
        torch.vmap(naive)(torch.zeros(REPLICAS, 3))
    drawn = torch.vmap(functionalize(naive), randomness="same")(torch.zeros(REPLICAS, 3))
    assert (drawn == drawn[0]).all()


@pytest.mark.thin(4)
@pytest.mark.parametrize("objective", [Trace(2), TraceGraph(baselines=(DecayingAverage(),))])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_each_replica_takes_the_single_step_under_its_noise(objective, optimizer):
    """Several updates of three replicas by vmap, and of each alone on its part of the noise."""
    made, args = MODEL_CASES["bernoulli_latent"].make()
    update = Update(optimizer, 0.05, weight_decay=0.1, clip_norm=20.0)
    rates = torch.tensor([0.05, 0.01, 0.1])
    with a_capture(made, AmortisedDiscrete, args, objective, batch=4) as (captured, program, rows):
        flat, held = captured.layout.read(program)
        kinds = 2 if optimizer == "adam" else 0
        moments = tuple((torch.zeros_like(flat),) for _ in range(kinds))
        start = [State((flat + 0.1 * r,), moments, held) for r in range(3)]
        order = torch.stack([rows.order.block(5 * r, 5) for r in range(3)])
        noise = noise_of_steps(captured.noise, 5, 5, 3)
        both = (stacked(start), *start)
        ends = []
        for r, state in enumerate(both, start=-1):
            single, losses = r >= 0, []
            lr = rates[r] if single else rates
            inputs = Inputs(torch.tensor(0.0), lr, order, noise, rows.args)
            step = step_with_update(captured, update, None if single else 3)
            for i in range(5):
                drawn = tuple(n[i, r] if single else n[i] for n in noise)
                picked = order[r, i] if single else order[:, i]
                number = torch.tensor(float(i))
                now = rates_of(update, number, lr)
                state, loss = step(state, now, number, picked, drawn, inputs)
                losses.append(loss)
            ends.append((state, torch.stack(losses, dim=-1)))
    (together, losses), *alone = ends
    for r, (state, loss) in enumerate(alone):
        found = [losses[r], *(part[r] for part in tree_leaves(together))]
        own = [loss, *tree_leaves(state)]
        pairs = {str(i): pair for i, pair in enumerate(zip(found, own, strict=True))}
        assert equal({k: a for k, (a, _) in pairs.items()}, {k: b for k, (_, b) in pairs.items()})
    assert not torch.equal(together.parts[0][0], together.parts[0][1])


def stacked(states):
    return tree_map(lambda *parts: torch.stack(parts), *states)


# Fits


@pytest.mark.thorough
def test_replicas_are_fits_of_their_own(uncompiled, tmp_path):
    task = ppca_task()
    found = fits(task, batch_size=16, seed=5)
    assert [one.settings.seed for one in found] == [5, 6, 7]
    for one in found:
        assert (one.backend, one.stopped, one.last["step"]) == ("compiled", "finished", 12)
        assert one.losses.shape == (12,)
        assert not one.program.training
        assert one.losses.isfinite().all()
        loaded = zoo.load_fit(zoo.save(one, tmp_path / str(one.settings.seed)), task)
        assert equal_fits(one, loaded)
        assert dict(zoo.evaluate(one, draws=30)) == dict(zoo.evaluate(loaded, draws=30))
    for first, second in combinations(found, 2):
        assert not torch.equal(first.losses, second.losses)
    names = dict(found[0].program.named_parameters())
    for name in names:
        values = [dict(one.program.named_parameters())[name] for one in found]
        assert len({value.data_ptr() for value in values}) == 3
        assert not torch.equal(values[0], values[1])


def test_replicas_start_where_their_seed_starts(uncompiled):
    """The initial values and the rows of seed + r, as in a fit of its own."""
    for r, one in enumerate(fits(steps=1, lr=1e-300, optimizer="sgd", seed=3)):
        alone = zoo.fit(
            ppca_task(), AmortisedNormal, steps=1, lr=1e-300, optimizer="sgd", seed=3 + r
        )
        assert equal(*({"all": flat(each.program.parameters())} for each in (one, alone)))


@pytest.mark.thorough
def test_replicas_are_reproducible(uncompiled):
    first, again = fits(batch_size=16), fits(batch_size=16)
    assert all(equal_fits(*both) for both in zip(first, again, strict=True))


def test_a_replica_goes_on_as_a_single_fit(uncompiled):
    one = fits(steps=8)[1]
    further = zoo.fit(ppca_task(), AmortisedNormal, steps=20, seed=1, resume=one, compile=False)
    assert torch.equal(further.losses[:8], one.losses)
    assert further.losses.shape == (20,)


def test_a_learning_rate_for_each(uncompiled):
    found = fits(lr=[1e-4, 1e-2, 1e-1], optimizer="sgd", steps=1, clip_norm=1.0)
    starts = [
        zoo.fit(ppca_task(), AmortisedNormal, steps=1, lr=1e-300, optimizer="sgd", seed=r)
        for r in range(3)
    ]
    assert [one.settings.update.lr for one in found] == [1e-4, 1e-2, 1e-1]
    for one, start, lr in zip(found, starts, (1e-4, 1e-2, 1e-1), strict=True):
        pairs = zip(one.program.parameters(), start.program.parameters(), strict=True)
        moved = torch.cat([(a - b).detach().reshape(-1) for a, b in pairs]).norm()
        assert moved.item() == pytest.approx(lr, rel=AUTODIFF)  # the clipped gradient has norm 1
    with pytest.raises(ValueError, match="one learning rate for each replica; got 2"):
        fits(lr=[0.1, 0.2])


def test_a_diverging_replica_ends_and_the_others_go_on(uncompiled):
    with pytest.warns(UserWarning, match=r"Seed 1: the loss or its gradient is not finite"):
        found = fits(lr=[1e-6, 1e6, 1e-6], optimizer="sgd", steps=BLOCK + 20)
    assert [one.stopped for one in found] == ["finished", "diverged", "finished"]
    assert [one.last["step"] for one in found] == [BLOCK + 20, 0, BLOCK + 20]
    for one in found:
        assert len(one.losses) == one.last["step"]
        assert one.losses.isfinite().all()
        assert all(value.isfinite().all() for value in one.program.state_dict().values())


def test_a_gradient_that_is_not_finite_is_a_divergence(uncompiled):
    with pytest.warns(UserWarning, match="is not finite"):
        found = zoo.fit(
            broken_gradient, MeanField, torch.ones(()), steps=1, replicas=2, compile=True
        )
    assert [one.stopped for one in found] == ["diverged"] * 2
    assert all(v.isfinite().all() for one in found for v in one.program.state_dict().values())


@pytest.mark.thorough
def test_an_interrupt_keeps_whole_blocks(uncompiled, monkeypatch):
    advance = zoo.training.compiled_trainer.CompiledTrainer.advance
    calls = []

    def interrupted(self, count):
        calls.append(count)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return advance(self, count)

    monkeypatch.setattr("zoo.training.compiled_trainer.CompiledTrainer.advance", interrupted)
    found = fits(steps=BLOCK + 5, average=False)
    assert [one.stopped for one in found] == ["interrupted"] * 3
    assert all(len(one.losses) == one.last["step"] == BLOCK for one in found)


def test_blocks_of_many_replicas_are_short_and_change_nothing(uncompiled, monkeypatch):
    """Each step copies the losses of its block, so those of many replicas must be few."""
    longest, shapes = fits(), []
    monkeypatch.setattr("zoo.training.compiled_trainer.MOST_LOSSES", 3 * 5 + 1)

    def watched(*args):
        block = interpreted(*args)

        def run(count, state, losses, inputs):
            shapes.append(losses.shape)
            return block(count, state, losses, inputs)

        return run

    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", watched)
    for found, expected in zip(fits(), longest, strict=True):
        assert equal_fits(found, expected)
    assert set(shapes) == {(3, 5)}


def test_one_replica_and_none(uncompiled):
    (one,) = fits(replicas=1)
    assert torch.equal(
        one.losses, zoo.fit(ppca_task(), AmortisedNormal, steps=12, compile=True).losses
    )
    with pytest.raises(ValueError, match="Expected replicas to be a whole number above 0; got 0"):
        fits(replicas=0)


@pytest.mark.parametrize("compiled", [True, False])
def test_validation_is_refused(compiled):
    with pytest.raises(ValueError, match="Replicas are not validated; got patience=3"):
        zoo.fit(
            causes_task(), AmortisedDiscrete, steps=9, replicas=2, patience=3, compile=compiled
        )


@pytest.mark.parametrize("compiled", [True, False])
def test_parameters_that_all_would_share_are_refused(compiled):
    x = torch.linspace(0.0, 1.0, 5)
    with pytest.raises(
        ValueError, match=r"parameters of their own; all .* would share 'reached\."
    ):
        zoo.fit(closure_model(), MeanField, x, steps=3, replicas=2, compile=compiled)


def test_statements_are_not_shared(uncompiled):
    def model(x):
        shift = pyro.param("shift", torch.zeros(()))
        mean = pyro.sample("mean", dist.Normal(shift, 1.0))
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)

    found = zoo.fit(model, MeanField, torch.ones(()), steps=5, replicas=2, compile=True)
    shifts = [one.program.store.values[0] for one in found]
    assert shifts[0].item() != shifts[1].item()
