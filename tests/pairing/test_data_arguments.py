"""Data that a model is given: what cannot be trained on, and the precision that is asked for."""

import re

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import zoo
from guides import AmortisedNormal, MeanField

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
