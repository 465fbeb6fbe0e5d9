"""Hierarchical VAE: with one group the Bernoulli VAE, its formula, and what a path offers."""

import pyro.distributions as dist
import pytest
import torch
from cases import IDENTITY, MODEL_CASES, ModelCase, built, relative_error, scatter, step_of
from joint import close
from model_case import pixels
from pyro import poutine
from steps import a_capture, equal_on_fresh_inputs
from torch import nn
from typer.testing import CliRunner

import zoo
from guides import AmortisedNormal, TopDown
from zoo.cli.app import app
from zoo.evaluation.latent_usage import latent_usage
from zoo.latents import describe
from zoo.likelihoods import BernoulliLikelihood, GaussianLikelihood
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.models.vaes.hvae import LARGEST_LOG_SCALE, HierarchicalVAE
from zoo.objectives import IWAE, Trace
from zoo.priors import StandardNormal, VampPrior

ROWS = 7


def hierarchy(groups=(2, 3), prior=None, features=6):
    prior = prior or StandardNormal(groups[0])
    model = HierarchicalVAE(features, prior, BernoulliLikelihood(), groups, width=8)
    scatter(model, spread=0.5)
    return model


@pytest.mark.parametrize("objective", [Trace(3), IWAE(4)], ids=str)
def test_one_group_is_the_bernoulli_vae(objective):
    """With the same weights and noise: the same loss and gradients."""
    (x,) = pixels(ROWS)
    plain = BernoulliVAE(6, (8,), 3)
    with built(plain, AmortisedNormal, objective, (x,)) as program:
        loss, grads = step_of(program, (x,))
        weights = {name: value.clone() for name, value in program.state_dict().items()}
    with built(hierarchy((3,)), TopDown, objective, (x,)) as program:
        state = {name: weights[TWINS.get(name, name)] for name, _ in program.named_parameters()}
        program.load_state_dict(state, strict=False)
        found, ours = step_of(program, (x,))
    assert found.item() == pytest.approx(loss.item(), rel=IDENTITY)
    assert set(ours) == set(TWINS)
    assert {TWINS[name] for name in ours} == set(grads)
    for name, grad in ours.items():
        assert relative_error(grad, grads[TWINS[name]]) < IDENTITY, name


TWINS = {
    f"{ours}.{part}": f"{theirs}.{part}"
    for part in ("weight", "bias")
    for ours, theirs in {
        "model.entrance.0": "model.decoder.0",
        "model.leave": "model.decoder.2",
        "guide.up.0.0": "guide.encoder.body.0",
        "guide.top": "guide.encoder.heads.0",
    }.items()
}


def test_joint_equals_the_formula():
    model, (x,) = hierarchy((2, 3, 1)), pixels(ROWS)
    z3, z2, z1 = (torch.randn(ROWS, size) for size in (2, 3, 1))
    expected = dist.Normal(0.0, 1.0).log_prob(z3).sum(-1)
    h = torch.relu(model.entrance[0](z3))
    for level, z in enumerate((z2, z1)):
        loc, log_scale = model.moments[level](h).chunk(2, -1)
        scale = (LARGEST_LOG_SCALE * torch.tanh(log_scale / LARGEST_LOG_SCALE)).exp()
        expected = expected + dist.Normal(loc, scale).log_prob(z).sum(-1)
        first, _, second = model.cells[level]
        h = h + second(torch.relu(first(torch.cat([h, z], -1))))
    expected = expected + dist.Bernoulli(logits=model.leave(h)).log_prob(x).sum(-1)
    given = poutine.condition(model, data={"z_3": z3, "z_2": z2, "z_1": z1})
    close(poutine.trace(given).get_trace(x).log_prob_sum(), expected.sum())


def test_mean_is_that_of_the_observed_site():
    model, (x,) = hierarchy((2, 3)), pixels(ROWS)
    trace = poutine.trace(model).get_trace(x)
    z2, z1 = (trace.nodes[name]["value"] for name in model.names)
    close(model.mean(z2, z1), trace.nodes["x"]["fn"].mean)
    close(model.mean(z2), model.mean(z2, model.group(0, model.enter(z2))[0]))


def test_scales_of_the_prior_are_bounded():
    model = hierarchy((2, 3))
    _, scale = model.group(0, 1e4 * torch.randn(50, 8))
    assert ((scale >= 0.1 - IDENTITY) & (scale <= 10 + IDENTITY)).all()


def test_other_likelihoods_and_priors():
    x = torch.randn(ROWS, 6)
    likelihood = GaussianLikelihood(learned=True)
    model = HierarchicalVAE(6, VampPrior(2, 6, 4, (5,)), likelihood, (2, 3), width=8)
    with built(model, TopDown, Trace(), (x,)) as program:
        _, grads = step_of(program, (x,))
    assert all(grad.abs().max() > 0 for grad in grads.values())
    assert {"model.likelihood.log_scale", "model.prior.pseudo"} <= set(grads)


@pytest.mark.parametrize("groups", [(), (0,), (3, 0)])
def test_groups_without_latents_are_refused(groups):
    with pytest.raises(ValueError, match="Expected groups of at least one latent each; got"):
        HierarchicalVAE(6, StandardNormal(1), BernoulliLikelihood(), groups)
    with pytest.raises(ValueError, match="Expected (each of )?groups to be .*; got"):
        zoo.load("hvae", groups=groups)


def test_wrong_width_is_refused():
    with pytest.raises(ValueError, match=r"Expected x of shape \(7, 6\); got \(7, 1\)"):
        hierarchy()(pixels(ROWS)[0][:, :1])


def test_by_name():
    task = zoo.load("hvae", groups=(4, 5, 6), prior="mixture")
    assert task.build().groups == (4, 5, 6)
    with pytest.raises(ValueError, match="bernoulli_vae has no option groups; got .*: hvae"):
        zoo.load("bernoulli_vae", groups=(4, 5))


def test_what_an_encoder_mirrors():
    """One layer of the path's width for each group; the prior's own network does not count."""
    for prior in (None, VampPrior(2, 6, 4, (5,))):
        latents = describe(hierarchy((2, 3, 4), prior), *pixels(ROWS))
        assert latents.hidden == (8, 8, 8)
        assert latents.activation is nn.ReLU
        assert latents.descends
        assert latents.vectorises
        assert latents.recognises == (prior is not None)
    assert not describe(BernoulliVAE(6), *pixels(ROWS)).descends


@pytest.mark.thorough
def test_captured_equals_plain():
    with a_capture(hierarchy((1, 2, 3)), TopDown, pixels(ROWS), batch=3) as parts:
        assert equal_on_fresh_inputs(*parts)


def test_health_of_every_group():
    with built(hierarchy(), TopDown, Trace(), pixels(ROWS)) as program:
        found = latent_usage(program, pixels(ROWS), draws=200, permutations=20)
    total = sum(site.kl.value for site in found.sites.values())
    assert list(found.sites) == ["z_2", "z_1"]
    assert total == pytest.approx(found.kl.value, rel=IDENTITY)


@pytest.mark.thorough
def test_by_the_command_line(tmp_path):
    """Groups by name, a saved fit that comes back, and a picture of all groups together."""
    options = ["--groups", "2,3", "--steps", "3", "--draws", "20", "--compile", "off"]
    asked = ["fit", "hvae", *options, "--device", "cpu", "--out", str(tmp_path / "run"), "--json"]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 0, found.output
    fit = zoo.load_fit(tmp_path / "run", device="cpu")
    assert fit.model.groups == (2, 3)
    assert (tmp_path / "run" / "images.png").exists()
    refused = CliRunner().invoke(app, ["fit", "hvae", "--groups", "2,x"])
    assert "whole numbers with commas; got '2,x'" in str(refused.exception)


@pytest.mark.slow
def test_compiled_steps_are_the_plain_ones():
    case: ModelCase = MODEL_CASES["hvae"]
    model, (x,) = case.make(rows=40)
    fits = [
        zoo.fit(
            model, TopDown, x, steps=60, lr=0.01, batch_size=20, compile=compiled, device="cpu"
        )
        for compiled in (True, False)
    ]
    assert [fit.backend for fit in fits] == ["compiled", "plain"]
    assert all(fit.losses.isfinite().all() for fit in fits)
