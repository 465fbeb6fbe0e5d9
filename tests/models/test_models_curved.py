"""Autoencoders on a sphere and in hyperbolic space: exact evidence, and all uses of a fit."""

import math

import numpy as np
import pytest
import torch
from cases import MODEL_CASES, scatter
from pyro import poutine

import zoo
from guides import (
    GUIDES,
    AmortisedNormal,
    AmortisedPowerSpherical,
    AmortisedVonMisesFisher,
    AmortisedWrappedNormal,
)
from zoo.decoders import relu_decoder
from zoo.isolation import isolated
from zoo.latents import Kind
from zoo.likelihoods import BernoulliLikelihood
from zoo.manifolds.lorentz_normal import exp_origin
from zoo.models.vaes.hyperbolic_vae import HyperbolicVAE
from zoo.models.vaes.hyperspherical_vae import HypersphericalVAE

PAIRS = [
    ("hyperspherical_vae", AmortisedPowerSpherical),
    ("hyperspherical_vae", AmortisedVonMisesFisher),
    ("hyperbolic_vae", AmortisedWrappedNormal),
]


def untrained(model, guide, *args):
    """A fit whose one step moves nothing."""
    return zoo.fit(model, guide, *args, steps=1, lr=1e-12, device="cpu")


def rows():
    with isolated(seed=3):
        return torch.bernoulli(torch.full((40, 6), 0.5))


def on_a_circle():
    """A model with latents on S^1, and log p(x) of each row by the trapezoid rule."""
    model = HypersphericalVAE(relu_decoder(2, 6, 1, hidden=(8,)), BernoulliLikelihood(), 2)
    scatter(model, spread=0.7, seed=1)
    a = torch.arange(800) * (2 * math.pi / 800)
    z = torch.stack([a.cos(), a.sin()], -1)
    with torch.no_grad():
        log_p = model.distribution(z[:, None]).log_prob(rows())
    return model, log_p.logsumexp(0) - math.log(800)


def on_a_line():
    """A model with latents in H^1, and log p(x) of each row by quadrature over the tangent."""
    model = HyperbolicVAE(relu_decoder(2, 6, 1, hidden=(8,)), BernoulliLikelihood(), 1)
    scatter(model, spread=0.5, seed=1)
    v = torch.linspace(-7.0, 7.0, 20_001)
    log_w = -(v**2) / 2 - math.log(2 * math.pi) / 2 + math.log(14.0 / 20_000)
    with torch.no_grad():
        log_p = model.distribution(exp_origin(v[:, None])[:, None]).log_prob(rows())
    return model, (log_p + log_w[:, None]).logsumexp(0)


@pytest.mark.parametrize(
    ("made", "guide"),
    [
        (on_a_circle, AmortisedPowerSpherical),
        (on_a_circle, AmortisedVonMisesFisher),
        (on_a_line, AmortisedWrappedNormal),
    ],
)
def test_the_bound_is_below_the_evidence_and_the_weights_find_it(made, guide):
    model, exact = made()
    found = zoo.evaluate(
        untrained(model, guide, rows()), metrics=["elbo", "log_evidence"], draws=2000
    )
    truth = exact.mean().item()
    assert found["elbo"].value - 5 * found["elbo"].se < truth
    assert abs(found["log_evidence"].value - truth) < 5 * found["log_evidence"].se


@pytest.mark.parametrize(("name", "guide"), PAIRS)
def test_a_fit_is_evaluated_saved_loaded_encoded_and_compared(name, guide, tmp_path):
    task = zoo.load(name, data="digits", latent=3)
    fit = zoo.fit(task, guide, steps=20, device="cpu")
    found = zoo.evaluate(fit, metrics=["elbo", "iwae_10", "latents", "psis_mean_shift"], draws=20)
    assert found["iwae_10"].value > found["elbo"].value
    assert "active_units/z" in found
    assert "curved space" in found.skipped["psis_mean_shift"]
    again = zoo.load_fit(zoo.save(fit, tmp_path / "fit"))
    (x,) = task.split("test")
    torch.manual_seed(0)
    z = fit.guide(x[:5])["z"]
    torch.manual_seed(0)
    assert torch.equal(again.guide(x[:5])["z"], z)
    coded = fit.encode(x[:5])
    assert bool(fit.program.latents["z"].base_support.check(coded.mean["z"]).all())
    assert coded.mean["z"].shape == z.shape
    assert coded.sd["z"].shape == (5, 1)
    assert bool((coded.sd["z"] > 0).all())
    assert fit.reconstruct(x[:5])["x"].shape == (5, 64)


@pytest.mark.parametrize(("name", "guide"), PAIRS)
def test_gradients_are_measured(name, guide):
    task = zoo.load(name, latent=3)
    settings = {"at": "initial", "draws": 128, "rows": 4, "reference_draws": 128}
    found = zoo.measure_gradients(task, guide, ["trace", "iwae"], **settings)
    assert all(row.variance["total"].value > 0 for row in found.rows)


def test_what_goes_on_a_sphere_and_what_does_not():
    made, args = MODEL_CASES["hyperspherical_vae"].make()
    with pytest.raises(zoo.PairingError) as caught:
        zoo.fit(made, AmortisedNormal, *args, steps=1, device="cpu")
    assert "'z' is local and spherical" in str(caught.value)
    assert "Its values are points on a sphere of 3" in str(caught.value)
    assert set(caught.value.families) == {AmortisedPowerSpherical, AmortisedVonMisesFisher}
    made, args = MODEL_CASES["hyperbolic_vae"].make()
    with pytest.raises(zoo.PairingError, match="points of hyperbolic space of 3") as caught:
        zoo.fit(made, AmortisedPowerSpherical, *args, steps=1, device="cpu")
    assert caught.value.families == (AmortisedWrappedNormal,)
    fit = untrained(made, AmortisedWrappedNormal, *args)
    refused = zoo.evaluate(fit, metrics=["ais"]).skipped["ais"]
    assert "Annealing moves latents in unconstrained space; 'z'" in refused


@pytest.mark.parametrize(("name", "guide"), PAIRS)
def test_guides_are_compared(name, guide):
    made, args = MODEL_CASES[name].make()
    table = zoo.compare(made, [guide], *args, steps=3, draws=20, device="cpu")
    assert "ELBO" in str(table).upper()


def test_the_prior_has_the_moments_that_its_radius_has():
    """|v| of the wrapped normal at the origin is that of a normal: E cosh|v| by Gauss-Hermite."""
    model = MODEL_CASES["hyperbolic_vae"].make()[0]
    with isolated(seed=0), torch.no_grad(), poutine.block():
        trace = poutine.trace(model).get_trace(torch.zeros(20_000, 6))
    first = trace.nodes["z"]["value"][:, 0]
    x, w = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(60))
    w = w / w.sum()
    exact = (w[:, None] * w * (x[:, None] ** 2 + x**2).sqrt().cosh()).sum()
    assert abs(first.mean() - exact) < 5 * first.std() / 20_000**0.5


def test_every_guide_for_curved_spaces_is_tried_here():
    curved = {Kind.SPHERE, Kind.HYPERBOLOID}
    assert {g for g in GUIDES.values() if getattr(g, "kinds", set()) & curved} == {
        guide for _, guide in PAIRS
    }
