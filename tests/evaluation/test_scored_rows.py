"""Rows that are scored are bits, drawn once; training draws them afresh for each minibatch."""

import sys
from dataclasses import replace

import pytest
import torch

import zoo
from guides import AmortisedNormal, PerDatum
from zoo.comparison.arviz_export import arviz_groups
from zoo.data import draw_bits, load_data
from zoo.evaluation.gaps import measure_gaps
from zoo.evaluation.local_optimisation import Search
from zoo.isolation import isolated
from zoo.sampling.importance_weights import weight_chunks

IDENTITY = 1e-8
ROWS, DRAWS = 5, 40
BRIEF = Search(block=5, limit=5)


@pytest.fixture(scope="module")
def task():
    return zoo.load("bernoulli_vae", data="digits", seed=3)


@pytest.fixture(scope="module")
def bits():
    return load_data("digits", seed=3, binarize="static").train[0]


@pytest.fixture(scope="module")
def fit(task):
    return zoo.fit(task, AmortisedNormal, steps=3, compile=False)


def are_bits(x):
    return bool(((x == 0) | (x == 1)).all())


def test_the_bits_are_those_of_static_data_at_every_call(task, bits):
    random = torch.get_rng_state()
    first, second = task.scoring_args("train"), task.scoring_args("train")
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(first[0], bits)
    assert torch.equal(second[0], bits)
    torch.manual_seed(17)
    assert torch.equal(task.scoring_args("train")[0], bits)


def test_either_precision_has_the_same_bits(task, bits):
    single = replace(task.data, train=tuple(x.float() for x in task.data.train))
    (found,) = replace(task, data=single).scoring_args("train")
    assert found.dtype == torch.float32
    assert torch.equal(found, bits.float())


def test_training_goes_on_drawing_from_intensities(task):
    hash_ = task.data.hash
    task.scoring_args("train")
    assert not are_bits(task.split("train")[0])
    assert task.data.observe is draw_bits
    assert task.data.hash == hash_


@pytest.mark.parametrize("binarize", ["none", "threshold", "static"])
def test_other_rows_are_scored_as_they_are(task, binarize):
    given = replace(task, data=load_data("digits", binarize=binarize))
    for split in ("train", "valid", "test"):
        assert given.scoring_args(split) is given.split(split)
    for split in ("valid", "test"):
        assert task.scoring_args(split) is task.split(split)
    with pytest.raises(ValueError, match="No split 'all'"):
        task.scoring_args("all")


@pytest.mark.parametrize("data", ["digits_labels", "digits_halves"])
def test_both_views_are_bits_and_none_is_hidden(data):
    pair = zoo.load("multimodal_vae", data=data)
    x, y, seen = pair.scoring_args("train")
    assert are_bits(x)
    assert are_bits(y)
    assert seen.eq(1).all()
    if data == "digits_labels":
        assert torch.equal(y, pair.split("train")[1])


def test_gaps_on_train_are_those_of_the_bits(fit, bits, monkeypatch):
    fitted = []

    def spied(program, args, search):
        fitted.append(args[0])
        return 0, False

    monkeypatch.setattr(sys.modules["zoo.evaluation.gaps"], "optimise", spied)
    found = measure_gaps(fit, (PerDatum,), rows=ROWS, draws=DRAWS, search=BRIEF)
    taken = bits[:ROWS].to(fit.device)
    with isolated(seed=0):
        log_w = torch.cat(list(weight_chunks(fit.program, (taken,), DRAWS)), dim=1)
    value, error = found.splits["train"].amortised
    torch.testing.assert_close(value, log_w.mean(0), rtol=IDENTITY, atol=IDENTITY)
    torch.testing.assert_close(error, log_w.std(0) / DRAWS**0.5, rtol=IDENTITY, atol=IDENTITY)
    assert torch.equal(fitted[0], taken)
    assert [are_bits(rows) for rows in fitted] == [True, True]
    more = found.generalisation()["elbo"].value
    by_hand = log_w.mean() - found.splits["test"].amortised[0].mean()
    assert more == pytest.approx(by_hand.item(), rel=IDENTITY)


def test_metrics_on_train_are_those_of_static_data(fit):
    static = replace(fit.task, data=load_data("digits", seed=3, binarize="static"))
    names = ["elbo", "log_evidence", "kl"]
    found = zoo.evaluate(fit, split="train", metrics=names, draws=20)
    by_hand = zoo.evaluate(replace(fit, task=static), split="train", metrics=names, draws=20)
    assert {name: metric.value for name, metric in found.items()} == {
        name: metric.value for name, metric in by_hand.items()
    }


def test_the_rows_of_a_guide_of_free_rows_are_bits_in_its_file(task):
    fit = zoo.fit(task, PerDatum, steps=1, batch_size=None, compile=False)
    found = arviz_groups(fit)["observed_data"]
    assert all(are_bits(one.values) for one in found.values())
    assert list(found) == ["x"]


def test_a_guide_fitted_anew_to_train_sees_the_same_bits(task, bits):
    again = task.on("train").data
    assert torch.equal(again.observe(again.train)[0], bits)
