"""Checks of arguments: what each takes, what it gives, and the one form of its refusals."""

import re
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoGuide, AutoNormal
from small_tasks import ppca_task, regression
from torch import nn

import zoo
from guides import GUIDES, AmortisedIAF, AmortisedNormal, Guide, MeanField
from zoo.checks.arguments import flag, number, one_of, place, several, shown, whole
from zoo.data import load_data
from zoo.errors import unknown
from zoo.objectives import IWAE, OBJECTIVES, Renyi, Trace, as_objective
from zoo.optim.schedules import Constant, Cosine, Drops, Exponential, Linear

NO_WHOLE = (0, -3, True, 2.0, "2", None, float("nan"), torch.tensor(2), np.array(2), [2], 10**40)
NO_NUMBER = (0.0, -1.0, True, "1", None, float("nan"), float("inf"), torch.tensor(1.0), 10**400)


def test_the_form_of_a_refusal():
    with pytest.raises(ValueError, match=".") as caught:
        whole("steps", "ten", way="Pass e.g. steps=1000.")
    assert str(caught.value) == (
        "Expected steps to be a whole number above 0; got 'ten'. Pass e.g. steps=1000."
    )


@pytest.mark.parametrize("value", NO_WHOLE, ids=repr)
def test_what_is_no_whole_number(value):
    with pytest.raises(ValueError, match=r"Expected draws to be a whole number .*; got "):
        whole("draws", value)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_are_kept_as_pythons_own(value):
    assert whole("draws", value) == 3
    assert type(whole("draws", value)) is int


@pytest.mark.parametrize("value", NO_NUMBER, ids=lambda value: str(value)[:9])
def test_what_is_no_number_above_zero(value):
    with pytest.raises(ValueError, match="Expected lr to be a finite number above 0; got "):
        number("lr", value, above=0.0)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int8(2), Fraction(2)], ids=repr)
def test_numbers_are_kept_as_pythons_own(value):
    assert number("lr", value, above=0.0) == 2
    assert type(number("lr", value)) is float


def test_limits_of_a_number_are_said():
    sentence = "of at least 0 and below 1; got 1. Pass e.g. decay=0.5."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        number("decay", 1, least=0.0, below=1.0)


def test_flags_choices_lists_and_places():
    assert flag("progress", np.bool_(1)) is True
    assert one_of("until", "steps", ("steps", "converged")) == "steps"
    assert several("guides", ("a",), "") == ["a"]
    assert several("guides", {"a": 1}, "") == ["a"]
    assert place("path", Path("a") / "b") == Path("a/b")
    for check, value in (
        (flag, 1),
        (partial(one_of, allowed=(True, False, "auto")), 1),
        (partial(one_of, allowed=("steps",)), ["steps"]),
        (partial(several, way=""), "mean_field"),
        (partial(several, way=""), []),
        (partial(several, way=""), 3),
        (place, ""),
        (place, "a\0b"),
        (place, 3),
    ):
        with pytest.raises(ValueError, match="Expected it to be .*; got "):
            check("it", value)


def test_values_are_shown_in_few_words():
    class Loud:
        def __repr__(self):
            raise RuntimeError("never asked for")

    assert shown(Loud()) == "an object of class Loud"
    assert shown([Loud(), 1, "a"]) == "[an object of class Loud, 1, 'a']"
    assert shown(torch.zeros(2, 3)) == "a tensor of shape (2, 3) and type torch.float64"
    assert shown(np.zeros(2)) == "a numpy array of shape (2,) and type float64"
    assert shown(np.float64(0.5)) == "0.5"
    assert shown((1,)) == "(1,)"
    assert shown(MeanField) == "the class MeanField"
    assert len(shown("x" * 300)) == 60
    assert "bits" in shown(10**5000)


@pytest.mark.parametrize("name", [3, Trace, ["trace"], torch.zeros(2)])
def test_a_name_is_a_string(name):
    assert "Expected the name of one objective, a string; got" in str(
        unknown("objective", name, OBJECTIVES)
    )
    for ask in (
        partial(zoo.load, name),
        partial(load_data, name),
        partial(zoo.load, "vae", prior=name),
    ):
        with pytest.raises(ValueError, match="Expected .*; got"):
            ask()


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
    "make",
    [
        lambda: Linear(0, 1, -5),
        lambda: Linear(0, 1, 0),
        lambda: Linear(float("nan"), 1, 5),
        lambda: Cosine(0),
        lambda: Constant("one"),
        lambda: Exponential(1.0, -0.1),
        lambda: Drops((-1,), 0.1),
        lambda: Drops((5,), -0.1),
        lambda: Renyi(alpha=float("nan")),
        lambda: IWAE(particles=2.5),
        lambda: zoo.Estimator("a", Trace, None),
    ],
)
def test_records_are_checked_when_they_are_made(make):
    with pytest.raises(ValueError, match=r"Expected [\w ]+ to be .*; got "):
        make()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_number_of_every_objective_is_checked(name):
    objective = OBJECTIVES[name]
    for field, value in vars(objective).items():
        if isinstance(value, (bool, int, float)):
            for wrong in ("ten", None, float("nan"), torch.zeros(2)):
                with pytest.raises(ValueError, match=f"Expected {field} to be"):
                    type(objective)(**{**vars(objective), field: wrong})


@pytest.mark.parametrize(
    ("guide", "sentence"),
    [
        ("mean_field", "Pass guides.guide_named('mean_field')."),
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


STRANGE = {
    "numpy": (np.zeros((4, 2)), "Pass torch.as_tensor(it)."),
    "empty": (torch.zeros(0), "at least one row long"),
    "bfloat16": (torch.zeros(4, 2).bfloat16(), "in single or double precision"),
    "complex": (torch.zeros(4, 2, dtype=torch.complex64), "torch.view_as_real"),
    "sparse": (torch.zeros(4, 2).to_sparse(), "to_dense()"),
    "meta": (torch.zeros(4, 2, device="meta"), "a tensor with values"),
    "gradient": (torch.zeros(4, 2, requires_grad=True), "Pass detach() of it."),
}


def mean_model(x):
    mean = pyro.sample("mean", dist.Normal(torch.zeros(()), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0).expand([2]).to_event(1), obs=x)


@pytest.mark.parametrize("kind", STRANGE)
def test_data_that_cannot_be_trained_on(kind):
    value, sentence = STRANGE[kind]
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        zoo.fit(mean_model, MeanField, value, steps=1)
    assert "Expected argument 0 to be" in str(caught.value)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        zoo.describe(mean_model, value)


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.uint8])
def test_an_encoder_reads_bits_and_counts(kind):
    x = torch.tensor([[0, 1], [1, 1], [0, 0]])
    plain = zoo.fit(bits_model, AmortisedNormal, x.double(), steps=3)
    assert torch.equal(
        zoo.fit(bits_model, AmortisedNormal, x.to(kind), steps=3).losses, plain.losses
    )


def bits_model(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
        logits = torch.stack([z, -z], -1)
        pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x.to(z))


def test_an_encoder_reads_rows_in_its_own_precision():
    sentence = (
        "Expected argument 0 to be of type torch.float64, as the parameters of AmortisedNormal"
    )
    with pytest.raises(ValueError, match=sentence):
        zoo.fit(bits_model, AmortisedNormal, torch.ones(3, 2, dtype=torch.float32), steps=1)
    assert zoo.fit(mean_model, MeanField, torch.ones(3, 2, dtype=torch.float32), steps=1)


def test_latents_in_another_precision_than_the_guide_are_named():
    def model(x):
        w = pyro.sample("w", dist.Normal(torch.zeros(2, dtype=torch.float32), 1.0).to_event(1))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(x.detach() @ w, 1.0), obs=x.sum(-1))

    x = torch.ones(3, 2, dtype=torch.float32)
    sentence = "Expected latent 'w' to be of type torch.float64, as the parameters of MeanField"
    with pytest.raises(ValueError, match=sentence):
        zoo.fit(model, MeanField, x, steps=1)


def test_minibatches_of_what_has_no_rows():
    def scaled(scale):
        pyro.sample("z", dist.Normal(0.0, scale))

    with pytest.raises(ValueError, match="batch_size=4 .* there is no tensor with rows"):
        zoo.fit(scaled, MeanField, 2.0, steps=1, batch_size=4)


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


def small_fit():
    return zoo.fit(ppca_task(), AmortisedNormal, steps=1)


def test_comparisons_are_checked_before_they_begin():
    from zoo.comparison.compare import compare

    task, names = ppca_task(), (["amortised_normal"], ["trace"])
    for wrong in ({"seeds": 0}, {"draws": 3}, {"budget": -1}, {"seeds": 1.0}):
        with pytest.raises(ValueError, match=f"Expected {next(iter(wrong))} to be"):
            compare(task, *names, **wrong)
    for guides, objectives in (("amortised_normal", ["trace"]), (names[0], "trace"), ([], [])):
        with pytest.raises(ValueError, match="to be a list"):
            compare(task, guides, objectives)
    with pytest.raises(ValueError, match="Expected task to be of class Task; got 'ppca'"):
        compare("ppca", *names)
    assert "amortised_normal" in GUIDES
