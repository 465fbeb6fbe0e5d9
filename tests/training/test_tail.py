"""The mean of the last iterates: the right ones, kept where it is better, and never lost."""

from functools import partial

import pyro
import pytest
import torch
from pyro.infer import (
    RenyiELBO,
    ReweightedWakeSleep,
    Trace_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
)
from small_tasks import causes_task, ppca_task, regression
from steps import interpreted
from test_checkpoint import same

import zoo
from guides import AmortisedDiscrete, AmortisedNormal, MeanField
from zoo.optim.schedules import Linear
from zoo.training.checkpointer import Checkpointer

TASK = ppca_task()
fit = partial(zoo.fit, TASK, AmortisedNormal, batch_size=8, lr=0.05)
STEPS = 100
NOTED = range(91, 101)  # the last tenth, each step of it


@pytest.fixture
def uncompiled(monkeypatch):
    """What does not depend on the code generator goes without it."""
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)


def losses_of(result):
    """Validation losses of the mean and of the last iterate, as the fit noted them."""
    (note,) = [one for one in result.notes if one.startswith("end: ")]
    words = note.replace(",", "").split()
    after = [words[i - 1] for i, word in enumerate(words) if word == "nats"] + [words[-1]]
    return float(after[0]), float(after[-1])


def test_the_mean_is_that_of_the_last_tenth():
    lasts = [fit(steps=steps, average=False).program.state_dict() for steps in NOTED]
    found = fit(steps=STEPS)
    assert "the mean of 10 iterates over the last 10 steps is kept" in found.notes[-1]
    for name, value in found.program.state_dict().items():
        mean = torch.stack([last[name] for last in lasts]).mean(0)
        assert torch.allclose(value, mean, rtol=1e-8, atol=1e-8), name
    last = fit(steps=STEPS, average=False)
    assert torch.equal(found.losses, last.losses)
    assert same_tensors(found.last["program"], last.last["program"])


def same_tensors(first, second):
    return all(torch.equal(first[name], second[name]) for name in first.keys() | second.keys())


@pytest.mark.parametrize("seed", range(3))
def test_it_lies_closer_to_the_best(seed):
    """The bound on held-out rows is higher at the mean, by far more than its error."""
    settings = {"steps": 1000, "seed": seed}
    mean, last = fit(**settings), fit(**settings, average=False)
    draw = partial(zoo.evaluate, draws=500, metrics=["elbo"], seed=1)
    higher, lower = draw(mean)["elbo"], draw(last)["elbo"]
    assert higher.value > lower.value
    at_mean, at_last = losses_of(mean)
    assert at_mean < at_last


def test_where_it_is_worse_the_last_is_kept():
    """A fit that still travels: the mean lags behind."""
    travelling = fit(steps=STEPS, lr=1e-3, optimizer="sgd", clip_norm=1.0)
    at_mean, at_last = losses_of(travelling)
    assert at_mean > at_last
    assert "the last of 10 iterates" in travelling.notes[-1]
    assert travelling.best is None
    assert same_tensors(travelling.program.state_dict(), travelling.last["program"])


def test_without_a_validation_split_training_rows_decide():
    (x,) = TASK.data.train
    model = TASK.build()

    def own(x):
        pyro.module("model", model)
        return model(x)

    found = zoo.fit(own, AmortisedNormal, x, batch_size=8, steps=200, lr=0.05)
    assert "on training rows" in found.notes[-1]
    assert found.evaluations == 200 + 2


def test_the_schedules_count_as_at_the_end():
    """Under a warm-up that has not ended, the noted loss is that of the last step's weight."""
    found = fit(steps=STEPS, kl_weight=Linear(0.0, 1.0, STEPS))
    whole = fit(steps=STEPS)
    assert min(losses_of(found)) > 0.5 * min(losses_of(whole))


@pytest.mark.parametrize("compile", [False, True])  # noqa: FBT003
def test_a_fit_stopped_within_the_tail_goes_on_to_the_same_mean(
    compile, tmp_path, monkeypatch, uncompiled
):
    whole = fit(steps=STEPS, compile=compile)
    with monkeypatch.context() as patched:
        patched.setattr(Checkpointer, "stops", lambda self, fits: len(fits[0].losses) >= 95)
        half = fit(steps=STEPS, compile=compile, checkpoint=tmp_path / "run")
        if half.stopped == "interrupted":
            zoo.save(half, tmp_path / "half")
    assert (half.stopped, len(half.losses), half.best) == ("interrupted", 95, None)
    for resume in (half, tmp_path / "run", tmp_path / "half"):
        again = fit(steps=STEPS, compile=compile, resume=resume)
        assert same(again, whole)
        assert again.notes == whole.notes
    loaded = zoo.load_fit(zoo.save(whole, tmp_path / "whole"), TASK)
    assert same(loaded, whole)


def test_more_steps_have_a_tail_of_their_own():
    further = fit(steps=200, resume=fit(steps=STEPS))
    assert same(further, fit(steps=200))
    assert [note[:4] for note in further.notes] == ["end:"]


def test_each_replica_ends_at_a_mean_of_its_own(uncompiled):
    both = partial(fit, replicas=2, compile=True)
    lasts = [both(steps=steps, average=False) for steps in (28, 29, 30)]
    for replica, one in enumerate(both(steps=30, average=True)):
        assert "of 3 iterates over the last 3 steps" in one.notes[-1]
        end = one.program.state_dict()
        for name, value in end.items():
            noted = [last[replica].program.state_dict()[name] for last in lasts]
            kept = noted[-1] if one.best is None else torch.stack(noted).mean(0)
            assert torch.allclose(value, kept, rtol=1e-8, atol=1e-8)


def test_auto_is_for_autoencoders_of_enough_steps():
    assert not fit(steps=99).notes
    assert not fit(steps=STEPS, patience=3, valid_every=50).notes
    assert not fit(steps=STEPS, average=False).notes
    assert fit(steps=20, average=True).notes
    bits = zoo.fit(causes_task(), AmortisedDiscrete, objective="nvil", batch_size=8, steps=STEPS)
    assert bits.notes[-1].startswith("end: ")
    model, x, y = regression()
    assert not zoo.fit(model, MeanField, x, y, steps=STEPS).notes
    assert zoo.fit(model, MeanField, x, y, steps=STEPS, average=True).notes


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"average": "yes"}, "average"),
        ({"average": True, "until": "converged"}, "beside until='converged'; got True"),
        ({"average": True, "patience": 3}, "beside patience; got True"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit(**{"steps": STEPS} | settings)


def test_a_mean_does_not_outlive_its_fit():
    """Going on without an average ends at the last iterate, whatever the earlier fit kept."""
    mean = fit(steps=STEPS)
    assert mean.best is not None
    further = fit(steps=120, average=False, resume=mean)
    assert further.best is None
    assert not further.notes
    assert same(further, fit(steps=120, average=False))
    together = fit(steps=STEPS, replicas=2, compile=False)
    ends = fit(steps=120, replicas=2, compile=False, average=False, resume=together)
    assert [one.best for one in ends] == [None, None]


def test_a_fit_is_kept_where_its_mean_cannot_be_tried(monkeypatch):
    def full(*_):
        raise RuntimeError("not enough memory")

    monkeypatch.setattr("zoo.training.stopping.tail.loss_of_some", full)
    found = fit(steps=STEPS)
    assert found.notes[-1].endswith("its loss could not be had: not enough memory")
    assert same_tensors(found.program.state_dict(), found.last["program"])


@pytest.mark.parametrize(
    "objective",
    [
        Trace_ELBO(num_particles=2),
        TraceGraph_ELBO(),
        TraceMeanField_ELBO(),
        RenyiELBO(alpha=0.0, num_particles=2),
    ],
    ids=lambda one: type(one).__name__,
)
def test_losses_of_pyro_are_compared(objective):
    """Also those that Pyro gives as a number alone where no gradient is recorded."""
    settings = {"steps": STEPS, "compile": False, "objective": objective, "batch_size": None}
    at_mean, at_last = losses_of(fit(**settings))
    assert 0 < min(at_mean, at_last)
    assert abs(at_mean - at_last) < 10
    watched = fit(**settings, patience=9, valid_every=STEPS)
    ((step, loss),) = watched.valid
    assert step == STEPS
    assert loss == pytest.approx(at_last, rel=1e-6)


def test_a_fit_under_wake_sleep_is_kept():
    """Pyro's class has no loss outside a step."""
    found = fit(steps=STEPS, compile=False, objective=ReweightedWakeSleep(num_particles=2))
    assert "its loss could not be had" in found.notes[-1]
    assert same_tensors(found.program.state_dict(), found.last["program"])


def test_validation_rows_are_tried_in_minibatches(monkeypatch):
    """So that the end of a fit takes no more memory than its steps."""
    import zoo.training.stopping.held_out as held_out

    sizes, loss = [], held_out._loss

    def noted(fit, parts):
        sizes.extend(len(args[0]) for _, args in parts)
        return loss(fit, parts)

    monkeypatch.setattr(held_out, "_loss", noted)
    found = fit(steps=STEPS)
    assert sizes == [8, 8, 4] * 2
    (x,) = TASK.data.valid
    whole = held_out.validation_loss(found, (x,))
    assert losses_of(found)[0] == pytest.approx(whole, rel=0.2)
