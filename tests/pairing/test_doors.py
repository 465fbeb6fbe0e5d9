"""What the public functions take: every door names the argument that is wrong, and the way out."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoGuide, AutoNormal
from small_tasks import ppca_task, regression
from torch import nn

import zoo
from guides import GUIDES, AmortisedIAF, AmortisedNormal, Guide, MeanField
from zoo.objectives import IWAE, Trace, as_objective
from zoo.optim.schedules import Linear


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"clip_norm": -1}, "Expected clip_norm to be a finite number above 0; got -1."),
        ({"batch_size": "3"}, "Expected batch_size to be a whole number above 0; got '3'."),
        ({"compile": "x"}, "Expected compile to be one of True, False, 'auto'; got 'x'."),
        ({"steps": True}, "Expected steps to be a whole number above 0; got True."),
        ({"steps": 10.0}, "got 10.0. Pass e.g. steps=1000."),
        ({"lr": "0.1"}, "Expected lr to be a finite number above 0; got '0.1'."),
        ({"lr": [0.1, 0.2]}, "one learning rate for each replica; got 2 for replicas=None."),
        ({"weight_decay": -0.1}, "Expected weight_decay to be a finite number of at least 0"),
        ({"seed": -1}, "Expected seed to be a whole number of at least 0; got -1."),
        ({"seed": 2**32}, "Expected seed to be a whole number from 0 to 4294967295"),
        ({"device": "tpu"}, "Expected device to be 'auto', 'cpu' or 'cuda'; got 'tpu'."),
        ({"device": "cpu:3"}, "Expected device to be a cpu device of this machine; got 'cpu:3'."),
        ({"patience": 0}, "Expected patience to be a whole number above 0; got 0."),
        ({"valid_every": 0}, "Expected valid_every to be a whole number above 0; got 0."),
        ({"freeze_model": "no"}, "Expected freeze_model to be True or False; got 'no'."),
        ({"kl_weight": 0.5}, "Expected kl_weight to be a function; got 0.5. Pass a schedule"),
        ({"kl_weight": Linear}, "Expected kl_weight to be a function; got the class Linear."),
        (
            {"kl_weight": len},
            "Expected kl_weight at step 0 to be a tensor of shape (); got a TypeError",
        ),
        ({"kl_weight": Linear(0, -1, 5)}, "Expected kl_weight at step 5 to be a finite number of"),
        ({"lr_schedule": lambda step: 1.0}, "at step 0 to be a tensor of shape (); got 1.0."),
        ({"optimizer": torch.optim.Adam}, "the name of one optimizer, a string; got the class"),
        (
            {"objective": IWAE},
            "Expected objective to be an instance; got the class IWAE. Pass IWAE(",
        ),
        ({"objective": Trace_ELBO}, "got the class Trace_ELBO. Pass Trace_ELBO()."),
        ({"resume": 3}, "Expected resume to be a fit, a list of fits or a folder; got 3."),
        ({"model_kwargs": {1: 2}}, "Expected model_kwargs to be a dict from names to values"),
    ],
)
def test_settings_of_a_fit_are_checked(settings, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        zoo.fit(ppca_task(), AmortisedNormal, **{"steps": 5, **settings})


def test_numbers_of_numpy_are_settings():
    asked = {"steps": np.int64(2), "lr": np.float32(0.01), "seed": np.int32(1)}
    found = zoo.fit(ppca_task(), AmortisedNormal, batch_size=np.int64(4), **asked).settings
    assert (found.steps, found.batch_size, found.seed) == (2, 4, 1)
    assert type(found.steps) is int
    assert type(IWAE(np.int64(3)).particles) is int


@pytest.mark.parametrize(
    ("guide", "sentence"),
    [
        ("mean_fild", "No guide named 'mean_fild'. Did you mean 'mean_field'?"),
        (None, "Pass e.g. guides.MeanField."),
        (nn.Linear, "got the class Linear. Pass an instance: Linear(...)."),
        (Guide, "It is what guides have in common"),
        (AutoGuide, "It is what guides have in common"),
        (partial(AmortisedIAF, depht=2), "settings of AmortisedIAF among ['depth', 'hidden'"),
        (partial(AmortisedIAF, depth="2"), "Expected depth of AmortisedIAF to be a whole number"),
        (partial(AmortisedNormal, fixed_scale="1"), "Expected fixed_scale of AmortisedNormal to"),
        (partial(AmortisedNormal, body=nn.Identity), "Expected body of AmortisedNormal to be of"),
    ],
)
def test_what_is_no_guide(guide, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        zoo.fit(ppca_task(), guide, steps=1)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("ppca", "Pass zoo.load('ppca')."),
        (None, "Expected model to be a task or a Pyro model"),
        (nn.Linear, "got the class Linear. Pass an instance: Linear(...)."),
        (3, "Expected model to be a task or a Pyro model"),
    ],
)
def test_what_is_no_model(model, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        zoo.fit(model, MeanField, torch.zeros(3), steps=1)


def test_a_task_has_its_data():
    with pytest.raises(ValueError, match="Task 'ppca' has its data; got 1 arguments besides"):
        zoo.fit(ppca_task(), AmortisedNormal, torch.zeros(3), steps=1)


def test_arguments_that_the_model_does_not_take():
    model, x, y = regression()
    with pytest.raises(ValueError, match=r"Expected the arguments \(x, y\) of the model; got 1"):
        zoo.fit(model, MeanField, x, steps=1)
    with pytest.raises(ValueError, match=r"got 2 and the keywords \['z'\]"):
        zoo.describe(model, x, y, z=1)


class Mine(Exception):
    """An error of a user's own."""


@pytest.mark.parametrize("error", [Mine, KeyError, ValueError, TypeError, AttributeError])
@pytest.mark.parametrize("guide", [MeanField, AutoNormal])
def test_what_the_users_model_raises_is_not_changed(error, guide):
    """Pyro adds the shapes of the trace to the text of a ValueError."""

    def model(x):
        raise error("in the model")

    with pytest.raises(error, match="in the model") as caught:
        zoo.fit(model, guide, torch.zeros(3), steps=1)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "call",
    [
        lambda fit: zoo.evaluate("fit"),
        lambda fit: zoo.evaluate(fit, draws="20"),
        lambda fit: zoo.evaluate(fit, metrics=3),
        lambda fit: zoo.evaluate(fit, metrics=[3]),
        lambda fit: zoo.evaluate(fit, metrics=["iwae_" + "9" * 5000]),
        lambda fit: zoo.evaluate(fit, split=3),
        lambda fit: zoo.evaluate(fit, seed=0.5),
        lambda fit: zoo.measure_gaps(ppca_task(), []),
        lambda fit: zoo.measure_gaps(fit, ["per_datum"]),
        lambda fit: zoo.measure_gaps(fit, "per_datum"),
        lambda fit: zoo.measure_gaps(fit, [AmortisedNormal], search=0.1),
        lambda fit: zoo.measure_gradients("ppca", AmortisedNormal, ["trace"]),
        lambda fit: zoo.measure_gradients(ppca_task(), AmortisedNormal, "trace"),
        lambda fit: zoo.measure_gradients(ppca_task(), AmortisedNormal, ["trace"], lr=-1),
        lambda fit: zoo.measure_gradients(ppca_task(), AmortisedNormal, ["trace"], tune=-1),
        lambda fit: zoo.measure_gradients(
            ppca_task(), AmortisedNormal, ["trace"], temperatures=(0,)
        ),
        lambda fit: zoo.save([fit], "folder"),
        lambda fit: zoo.save(fit, None),
        lambda fit: zoo.load_fit(3),
        lambda fit: zoo.load("vae", latent="2"),
        lambda fit: zoo.load("vae", seed="first"),
        lambda fit: zoo.load("hvae", groups="8,16"),
        lambda fit: zoo.mismatch("latents", MeanField, Trace()),
        lambda fit: zoo.mismatch(fit.latents, MeanField, "trace"),
        lambda fit: zoo.mismatch(fit.latents, "mean_field", Trace()),
        lambda fit: zoo.mismatch(fit.latents, int, Trace()),
        lambda fit: zoo.describe("ppca"),
        lambda fit: as_objective(None),
    ],
)
def test_every_door_names_the_argument(call):
    with pytest.raises(ValueError, match=r"Expected .+; got|No split 3"):
        call(small_fit())


def test_a_guide_may_be_named():
    by_name, direct = (
        zoo.fit(ppca_task(), guide, steps=2) for guide in ("amortised_normal", AmortisedNormal)
    )
    assert torch.equal(by_name.losses, direct.losses)
    assert by_name.guide_spec is AmortisedNormal


def small_fit():
    return zoo.fit(ppca_task(), AmortisedNormal, steps=1)


def test_comparisons_are_checked_before_they_begin():
    from zoo.comparison.compare import compare

    task, names = ppca_task(), ["amortised_normal"]
    for wrong in ({"seeds": 0}, {"draws": 3}, {"budget": -1}, {"seeds": 1.0}, {"hold": 1}):
        with pytest.raises(ValueError, match=f"Expected {next(iter(wrong))} to be"):
            compare(task, names, **wrong)
    for given, objectives in (("amortised_normal", ["trace"]), (names, "trace"), ([], [])):
        with pytest.raises(ValueError, match="to be a list"):
            compare(task, given, objectives=objectives)
    with pytest.raises(ValueError, match=r"has its data; got 1 arguments besides"):
        compare(task, names, ["trace"])
    assert "amortised_normal" in GUIDES
