"""Deep latent Gaussian model: its formula, its mean, one layer as a VAE, and how it is made."""

import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY, MODEL_CASES, built, relative_error, scatter, step_of
from joint import close
from model_case import pixels
from pyro import poutine

import zoo
from guides import AmortisedNormal
from zoo.likelihoods import BernoulliLikelihood
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.models.vaes.dlgm import DeepLatentGaussian
from zoo.objectives import IWAE, Trace
from zoo.priors import StandardNormal

ROWS = 7


def layered(groups=(2, 3)):
    model = DeepLatentGaussian(
        6, StandardNormal(groups[0]), BernoulliLikelihood(), groups, width=8
    )
    scatter(model, spread=0.5)
    return model


def test_joint_equals_the_formula():
    model, (x,) = layered((2, 3, 1)), pixels(ROWS)
    noises = [torch.randn(ROWS, size) for size in (2, 3, 1)]
    expected = sum(dist.Normal(0.0, 1.0).log_prob(noise).sum() for noise in noises)
    h = torch.zeros(ROWS, 2)
    for noise, mixing, (first, _, second) in zip(
        noises, model.mixing, model.transforms, strict=True
    ):
        h = second(torch.relu(first(h + torch.einsum("ij,nj->ni", mixing, noise))))
    expected = expected + dist.Bernoulli(logits=h).log_prob(x).sum()
    given = poutine.condition(model, data=dict(zip(model.names, noises, strict=True)))
    close(poutine.trace(given).get_trace(x).log_prob_sum(), expected)


def test_a_layers_noise_has_the_covariance_of_its_matrix():
    """Given the layer above, h_1 is normal with mean T_1(h_2) and covariance G_1 G_1^T."""
    model = layered((2, 3))
    noise = torch.randn(100_000, 3)
    drawn = noise @ model.mixing[1].T
    found, expected = drawn.T.cov(), model.mixing[1] @ model.mixing[1].T
    assert (found - expected).abs().max() < 5 * expected.abs().max() / len(noise) ** 0.5 * 2


@pytest.mark.parametrize("objective", [Trace(3), IWAE(4)], ids=str)
def test_one_layer_is_the_bernoulli_vae(objective):
    """With the matrix I, and with the same weights and noise: the same loss and gradients."""
    (x,) = pixels(ROWS)
    with built(BernoulliVAE(6, (8,), 3), AmortisedNormal, objective, (x,)) as program:
        loss, grads = step_of(program, (x,))
        weights = {name: value.clone() for name, value in program.state_dict().items()}
    with built(layered((3,)), AmortisedNormal, objective, (x,)) as program:
        state = program.state_dict()
        state |= {
            name.replace("model.decoder", "model.transforms.0"): value
            for name, value in weights.items()
        }
        state["model.mixing.0"] = torch.eye(3)
        program.load_state_dict(state)
        found, own = step_of(program, (x,))
    assert found.item() == pytest.approx(loss.item(), rel=IDENTITY)
    for name, grad in grads.items():
        there = name.replace("model.decoder", "model.transforms.0")
        assert relative_error(own[there], grad) < IDENTITY, name
    assert set(own) == {n.replace("model.decoder", "model.transforms.0") for n in grads} | {
        "model.mixing.0"
    }


def test_mean_is_that_of_the_observed_site():
    model, (x,) = layered((2, 3)), pixels(ROWS)
    trace = poutine.trace(model).get_trace(x)
    noises = [trace.nodes[name]["value"] for name in model.names]
    close(model.mean(*noises), trace.nodes["x"]["fn"].mean)
    close(model.mean(noises[0]), model.mean(noises[0], torch.zeros(ROWS, 3)))


def test_every_matrix_and_network_gets_a_gradient():
    model, args = MODEL_CASES["dlgm"].make()
    with built(model, AmortisedNormal, Trace(), args) as program:
        _, grads = step_of(program, args)
    assert all(grads[name].abs().max() > 0 for name in grads)
    assert {"model.mixing.0", "model.mixing.1"} <= set(grads)


def test_by_name():
    model = zoo.load("dlgm", groups=(4, 5, 6), prior="mixture").build()
    assert model.names == ("xi_3", "xi_2", "xi_1")
    with pytest.raises(ValueError, match="dlgm draws none. Use model 'dequantised_vae'"):
        zoo.load("dlgm", binarize="none", likelihood="dequantised").build()
    with pytest.raises(ValueError, match="Expected (each of )?groups to be .*; got"):
        zoo.load("dlgm", groups=())


def test_wrong_width_is_refused():
    with pytest.raises(ValueError, match=r"Expected x of shape \(7, 6\); got \(7, 1\)"):
        layered()(pixels(ROWS)[0][:, :1])
